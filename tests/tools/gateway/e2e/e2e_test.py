#!/usr/bin/env python3
"""e2e_test.py GATEWAY SIMULATOR E2B SHELL [UNITTEST-OPTION…]   the gateway's program before providers other than `local`.

SIMULATOR plays E2B's service; E2B and SHELL are the libraries of that provider and of the example `shell`, each with its
manifest beside it.
"""

import sys
import unittest

from plugin_case import PluginCase
from store_case import StoreCase
from vendor_case import Behind, IsolatedVendorCase, SlowVendorCase, VendorCase

if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    Behind.program, Behind.simulator = sys.argv[1:3]
    StoreCase.program = sys.argv[1]
    IsolatedVendorCase.library = sys.argv[3]
    PluginCase.program, PluginCase.library = sys.argv[1], sys.argv[4]
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
