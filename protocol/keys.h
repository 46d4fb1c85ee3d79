// SPDX-License-Identifier: MIT
//
// Derives the keys of one slot from a credential (docs/protocol.md, "Keys"), the same ones at both ends. Nothing here
// can fail. Inputs and outputs are raw bytes; 64-bit words of the MAC key exist only in the BPF map.
#pragma once

#include "protocol/secret.h"
#include "protocol/slot.h"
#include "protocol/wire.h"

namespace xk {

using Key = Bytes<wire::kKeySize>;

// The subkeys that one credential needs, derived once from M.
struct CredentialKeys {
    Key gate;      // tags and MAC keys
    Key seal;      // secretbox keys
    Key handshake; // of the keys in protocol/handshake.h
    Key sequence;  // ports (protocol/sequence.h)
    Key nonce;     // client only: hedges the nonce
};

// M = BLAKE2b-32(key = C, "xknock/1" | S | credential id); subkeys by crypto_kdf from M, "xk1_root".
// `out` must be inside a Secret.
void derive_keys(CredentialKeys& out, const Key& credential, const wire::ServerId& server,
                 const wire::CredentialId& id);

// The keys of one slot that the filter gets: G[0..8) and G[8..24). Only the daemon and the kernel may know them.
struct GateKeys {
    wire::Tag tag;
    Bytes<wire::kMacKeySize> mac_key;
};

GateKeys gate_keys(const Key& gate, Slot slot);

// The tag alone, for everybody who needs no MAC key.
wire::Tag slot_tag(const Key& gate, Slot slot);

// The secretbox key of one slot. The caller wipes it.
Key seal_key(const Key& seal, Slot slot);

} // namespace xk
