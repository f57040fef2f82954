"""halmos, told one thing more: a product with 0 or 1 is a choice. halmos asks its solver first with the products of unknowns as
functions of which nothing is known, and our contracts take a minimum by multiplying with the outcome of a comparison.

For FixedRateProof two things besides: products commute; and a product modulo 2^256 - 1, by which OpenZeppelin's mulDiv finds its
upper half, is the product itself where the path says that both factors are below 2^128.

    python tools/prover.py ARGUMENTS OF HALMOS...
"""

import sys

from halmos.__main__ import main
from halmos.bitvec import HalmosBitVec
from halmos.sevm import f_mul
from z3 import If, UGE, is_app_of, is_bv_value, unsat
from z3.z3consts import Z3_OP_ITE

# milliseconds: the latter as tools/prove.mjs asks of halmos
PATIENCE, BRANCHING = 10_000, 50

product = HalmosBitVec.mul
remainder = HalmosBitVec.mulmod


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


def commuting(self, other, *, abstraction=None):
    """`self` times `other`, in an order of their own."""
    if self.is_symbolic and other.is_symbolic and self.as_z3().hash() > other.as_z3().hash():
        self, other = other, self
    return mul(self, other, abstraction=abstraction)


def is_narrow(factor, at):
    """Whether `factor` is below 2^128 on the path that has come to `at`."""
    if factor.is_concrete:
        return factor.value < 2**128
    # what the path says is plain, but a busy machine may take longer for it than for a branch
    at.path.solver.set(timeout=PATIENCE)
    narrow = at.check(UGE(factor.as_z3(), 2**128)) == unsat
    at.path.solver.set(timeout=BRANCHING)
    return narrow


def mulmod(self, other, modulus, *, mul_abstraction=None, mod_abstraction=None):
    """`self` times `other` modulo `modulus`, exactly as halmos has it, or without the modulus where the product is below it."""
    at = sys._getframe(1).f_locals["ex"]
    whole = modulus.is_concrete and modulus.value == 2**256 - 1
    if whole and is_narrow(self, at) and is_narrow(other, at):
        return self.mul(other, abstraction=f_mul[self.size])
    return remainder(self, other, modulus, mul_abstraction=mul_abstraction, mod_abstraction=mod_abstraction)


HalmosBitVec.mul = mul
if "FixedRateProof" in sys.argv:
    HalmosBitVec.mul = commuting
    HalmosBitVec.mulmod = mulmod

if __name__ == "__main__":
    sys.exit(main())
