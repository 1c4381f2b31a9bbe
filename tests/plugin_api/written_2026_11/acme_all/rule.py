"""The rule: no order larger than so many lots."""

from dataclasses import dataclass

from btcframe.api import Action, Veto


@dataclass(frozen=True)
class AcmeAll:
    """Cuts an order that opens to a largest size; what reduces the position passes, whatever its size.

    Parameters
    ----------
    most : int    lots of one order
    """

    most: int = 100

    def __post_init__(self):
        """Refuse what has no meaning, before any work; the message begins with the field."""
        if self.most < 1:
            raise ValueError(f"most: {self.most} is less than one lot")

    def check(self, intent, account, market):
        """The intent, a smaller one, or a Veto `acme_all`."""
        if account.position.reduces(intent) or intent.lots <= self.most:
            return intent
        if intent.action == Action.AMEND:  # its lots are the new total, of which some may be filled
            return Veto("acme_all", f"{intent.lots} lots are more than {self.most}")
        return intent._replace(lots=self.most)
