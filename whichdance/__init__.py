"""whichdance by its own name: everything that `runtime` offers.

Examples
--------
>>> import whichdance
>>> whichdance.classify("examples/viennese_waltz.ogg").dance
'viennese_waltz'
"""

# Nothing is imported here: until the command's own code runs, Ctrl-C is not caught.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime import *  # noqa: F403


def __getattr__(name: str) -> object:
    """`runtime`'s names, loaded when the first of them is needed: the command catches Ctrl-C before."""
    import runtime

    if name == "__all__" or name in runtime.__all__:
        return getattr(runtime, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    import runtime

    return list(runtime.__all__)
