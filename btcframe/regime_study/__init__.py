"""Market regimes judged by use: what each method says out of sample, what followed, and which one tells more.

`rows` reads the market once, `walk` fits and labels fold by fold, `visits`, `agreement`, `ahead` and `worth` hold the
numbers, `views` what is drawn, and `study` puts all of it into plain values: the file that the page is made from.
"""
