//! The contracts' interfaces, from their own source: there is no copy that could differ.
#![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]

alloy::sol!("../../contracts/src/interfaces/IEscrow.sol");
alloy::sol!("../../contracts/src/interfaces/IHubRegistry.sol");
alloy::sol!("../../contracts/src/interfaces/INodeRegistry.sol");

alloy::sol! {
    /// What is used of the EAI token.
    interface IToken {
        function balanceOf(address account) external view returns (uint256);
        function nonces(address owner) external view returns (uint256);

        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
        error ERC20InvalidReceiver(address receiver);
    }

    /// What an owner signs instead of sending an approval (ERC-2612).
    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }

    /// What a contender in a race signs, under the domain "EAI RaceBonds", version "1".
    struct Readiness {
        address provider;
        address hubKey;
        bytes32 namespaceId;
        bytes32 jobId;
        uint64 generation;
        uint64 attempt;
        uint256 bond;
        uint32 startWithin;
        uint64 validUntil;
        uint64 nonce;
    }

    /// What a seller signs for content that it hands to a buyer, under the domain "EAI Catalog", version "1".
    struct Delivery {
        uint256 listing;
        uint32 version;
        address buyer;
        bytes32 root;
    }

    /// A contract account's word on a signature (ERC-1271).
    interface IERC1271 {
        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
    }
}

#[cfg(test)]
mod tests;
