"""It loads, its hook is one of btcframe's, and nothing of it is refused. There is no component whose contract to check."""

from btcframe.plugins import discover


def test_it_is_loaded_and_nothing_of_it_is_refused():
    catalog = discover()
    (plugin,) = [plugin for plugin in catalog.plugins if plugin.distribution == "webhook-alerts"]
    hooks = catalog.manager.get_hookcallers(plugin.module)
    assert [hook.name for hook in hooks] == ["btcframe_event"] and not catalog.failures
