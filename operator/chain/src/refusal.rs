//! The Escrow's reasons, as data and in words.

use std::fmt;

use alloy::sol_types::SolError;

use crate::bindings::IEscrow;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $words:literal;)*) => {
        /// Why the Escrow skipped an item or refused a call. Nothing changed on the chain. `Display` is a sentence that
        /// says what to do; `Debug` and [`Refusal::reason`] are the one word for a condition.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
            /// Settling: this side held the voucher back. The chain's clock hasn't reached what it claims, so that the
            /// lease would close with less paid. Present it again with a later block.
            TooEarly,
            /// An error that this version doesn't know, by its selector.
            Unknown([u8; 4]),
        }

        impl Refusal {
            /// The refusal with this custom-error selector.
            pub fn from_selector(selector: [u8; 4]) -> Self {
                match selector {
                    $(IEscrow::$name::SELECTOR => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }

            /// The contract's own name of the reason: one word, for conditions and metrics.
            pub const fn reason(&self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::TooEarly => "TooEarly",
                    Self::Unknown(_) => "Unknown",
                }
            }

            /// Every refusal of the contract's that is known.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        impl fmt::Display for Refusal {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($words),)*
                    Self::TooEarly => f.write_str("the chain's clock is behind; the voucher is presented with a later block"),
                    Self::Unknown(selector) => write!(
                        f,
                        "the escrow refused with the unknown error {}; this program may be older than the contract",
                        alloy::primitives::hex::encode_prefixed(selector)
                    ),
                }
            }
        }
    };
}

refusals! {
    /// Opening: opened before.
    LeaseExists = "this lease was opened before; nothing needs doing";
    /// Opening: too late.
    OpenByPassed = "the block came later than the request allows; ask again with a later limit";
    /// Opening, top-up: no authorisation.
    NotAuthorized = "the payer hasn't authorised this hub for this namespace; the payer runs `kubectl eai authorize`";
    /// Opening, top-up: authorisation over.
    AuthorizationExpired = "the payer's authorisation has expired; the payer renews it with `kubectl eai authorize`";
    /// Opening: too dear for the payer.
    RateAboveAuthorization = "the rate is above what the payer authorised; wait for a cheaper member, or the payer authorises a higher rate";
    /// Opening: more than the provider asks.
    RateAboveOffer = "the rate is above the provider's offer; open the lease at the offer's rate";
    /// Opening, top-up: cap used up.
    CapExceeded = "the authorisation's cap would be passed; the payer raises it with `kubectl eai authorize`";
    /// Opening: no sensible size.
    BadMilliUnits = "a lease is for at least a thousandth of a unit and at most a million units";
    /// Opening: offer over.
    OfferExpired = "the provider's offer has expired; the member's agent renews it by itself while it runs";
    /// Opening: offer withdrawn.
    OfferCancelled = "the provider has cancelled this offer; use a newer one";
    /// A signature by somebody else.
    BadSignature = "the signature isn't by the account it should be by; sign for this chain and this escrow with the right key";
    /// Never opened.
    UnknownLease = "no lease with these terms was opened";
    /// Closed.
    AlreadyClosed = "the lease is closed; nothing more can be done with it";
    /// Closing.
    AlreadyClosing = "the lease is closing; settle it, or wait until its window is over";
    /// Opening or top-up by a key that doesn't act for the hub.
    NotHubKey = "only a key that acts for the lease's hub can do that";
    /// Closing, claiming or disputing by a stranger.
    NotParty = "only the lease's payer or provider can start its closing, its provider claim, its payer or hub dispute";
    /// Settling: nothing due.
    NothingToSettle = "nothing more is due under this voucher now";
    /// Settling: too late.
    ClosingWindowOver = "the closing window is over; what remains is the payer's";
    /// Finalizing: too early.
    ClosingWindowOpen = "closing wasn't started, or its window isn't over";
    /// Authorising by signature: too late.
    GrantExpired = "the signed authorisation is past its deadline; the payer signs a new one";
    /// Authorising by signature: overtaken.
    GrantCancelled = "the payer has authorised or revoked since it signed this; the payer signs a new one";
    /// Keys: not the guardian.
    NotGuardian = "only the hub's guardian says which keys act for it, or the hub itself while it has none";
    /// Keys: never appointed.
    UnknownKey = "this key was never appointed, or it is the hub's own, which needs no appointment";
    /// Keys, settling: retired.
    RetiredKey = "this key no longer acts for the hub; sign with the one that took its place";
    /// Claiming: too late.
    ClaimTooLate = "the lease has been closing for too long to be claimed";
    /// Claiming: claimed before.
    ClaimExists = "the lease was claimed before; a claim can't be changed";
    /// Disputing: no claim.
    NoClaim = "nothing is claimed on this lease";
    /// Disputing: disputed before.
    AlreadyDisputed = "the claim was disputed before; nothing needs doing";
    /// Too little money in the escrow.
    InsufficientBalance = "the account's free balance in the escrow is too small; deposit more with `kubectl eai deposit`, or wait for refunds";
    /// An amount of zero.
    ZeroAmount = "the amount is zero";
    /// A zero address.
    ZeroAddress = "the address is zero; name a real account";
    /// More than can be counted.
    AmountTooLarge = "the amount is above what the escrow can count";
    /// A withdrawal to the escrow.
    WithdrawToEscrow = "the escrow itself can't receive a withdrawal; name a real account";
    /// A token that doesn't move what it should.
    TransferMismatch = "the token moved another amount than asked; this isn't the EAI token";
    /// An expiry in the past.
    BadExpiry = "the expiry isn't in the future, or is too far in it";
    /// Arrays of different length.
    LengthMismatch = "the batch's parts differ in length";
    /// Too many items.
    BatchTooLarge = "the batch has too many items; send fewer at once";
    /// Deploying: no token.
    TokenHasNoCode = "the token address holds no contract";
    /// Deploying: window too short.
    ClosingWindowTooShort = "the closing window leaves providers too little time";
}

impl Refusal {
    /// Whether the item's aim is met already, so that there is nothing to report to anyone.
    pub const fn is_done_already(&self) -> bool {
        matches!(self, Self::LeaseExists | Self::AlreadyClosed | Self::NothingToSettle)
    }

    /// Whether the same call succeeds by itself with a later block.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::TooEarly)
    }

    /// Whether the payer can remove the reason by a deposit or an authorisation: the job waits rather than fails.
    pub const fn is_about_funds(&self) -> bool {
        matches!(
            self,
            Self::NotAuthorized
                | Self::AuthorizationExpired
                | Self::RateAboveAuthorization
                | Self::CapExceeded
                | Self::InsufficientBalance
        )
    }

    /// Whether the reason lies in the provider's offer: another member, or a newer offer, may do.
    pub const fn is_about_offer(&self) -> bool {
        matches!(self, Self::RateAboveOffer | Self::OfferExpired | Self::OfferCancelled | Self::BadSignature)
    }
}
