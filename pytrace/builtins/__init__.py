"""The builtins: values and functions of the language. Importing this declares all of them.

Each module declares one family; `registry` explains the parts of a declaration.
"""

from __future__ import annotations

import pytrace.builtins.aggregating
import pytrace.builtins.configuration
import pytrace.builtins.context
import pytrace.builtins.control
import pytrace.builtins.cpu
import pytrace.builtins.imported
import pytrace.builtins.introspection
import pytrace.builtins.maps
import pytrace.builtins.memory
import pytrace.builtins.network
import pytrace.builtins.output
import pytrace.builtins.printing
import pytrace.builtins.process
import pytrace.builtins.search
import pytrace.builtins.stacks
import pytrace.builtins.strings
import pytrace.builtins.symbols
import pytrace.builtins.time  # noqa: F401  # each declares its family
from pytrace.builtins.registry import REGISTRY

__all__ = ["REGISTRY"]
