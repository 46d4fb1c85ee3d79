// SPDX-License-Identifier: MIT
//
// From a credential to the keys of one slot (docs/protocol.md, "Keys"). Both ends derive the same; none
// of it can fail. All inputs and outputs are raw bytes; 64-bit MAC key words exist only in the BPF map.
#pragma once

#include "protocol/secret.h"
#include "protocol/slot.h"
#include "protocol/wire.h"

namespace xk {

using Key = Bytes<wire::kKeySize>;

// The subkeys that one credential needs, derived once from M.
struct CredentialKeys {
    Key gate;  // tags and MAC keys
    Key seal;  // secretbox keys
    Key nonce; // client only: hedges the nonce
};

// M = BLAKE2b-32(key = C, "xknock/1" | S | credential id); subkeys by crypto_kdf from M, "xk1_root".
// `out` is to be inside a Secret.
void derive(CredentialKeys& out, const Key& credential, const wire::ServerId& server, const wire::CredentialId& id);

// The filter's share of the keys of one slot: G[0..8) and G[8..24). The kernel knows them, and nobody else may.
struct GateKeys {
    wire::Tag tag;
    Bytes<wire::kMacKeySize> mac_key;
};

GateKeys gate_keys(const Key& gate, Slot slot);

// The secretbox key of one slot. The caller wipes it.
Key seal_key(const Key& seal, Slot slot);

} // namespace xk
