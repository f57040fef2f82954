"""halmos, told one thing more: a product with 0 or 1 is a choice. halmos asks its solver first with the products of unknowns as
functions of which nothing is known, and our contracts take a minimum by multiplying with the outcome of a comparison.

    python tools/prover.py ARGUMENTS OF HALMOS...
"""

import sys

from halmos.__main__ import main
from halmos.bitvec import HalmosBitVec
from z3 import If, is_app_of, is_bv_value
from z3.z3consts import Z3_OP_ITE

product = HalmosBitVec.mul


def choice(term, rest):
    """`rest` times `term`, which is `If(condition, 1, 0)` or `If(condition, 0, 1)`; or None."""
    if not is_app_of(term, Z3_OP_ITE):
        return None
    condition, then, otherwise = term.children()
    if not (is_bv_value(then) and is_bv_value(otherwise)):
        return None
    match then.as_long(), otherwise.as_long():
        case 1, 0:
            return If(condition, rest, 0)
        case 0, 1:
            return If(condition, 0, rest)


def mul(self, other, *, abstraction=None):
    """`self` times `other`, exactly as halmos has it, but a choice where one of them is one."""
    if self.is_symbolic and other.is_symbolic:
        for one, rest in ((self, other), (other, self)):
            chosen = choice(one.as_z3(), rest.as_z3())
            if chosen is not None:
                return HalmosBitVec(chosen, size=self.size)
    return product(self, other, abstraction=abstraction)


HalmosBitVec.mul = mul

if __name__ == "__main__":
    sys.exit(main())
