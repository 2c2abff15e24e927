"""Blocks of the systems. They import no system, and each is traceable to an equation.

The public names stand in ``__init__.pyi``; each is loaded when it is first used.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
