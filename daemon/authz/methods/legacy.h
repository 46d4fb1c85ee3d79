// SPDX-License-Identifier: MIT
//
// Steps that the methods of old clients share.
#pragma once

#include "daemon/authz/claim.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/policy_change.h"
#include "daemon/authz/record.h"
#include "protocol/base/bytes.h"

#include <algorithm>

namespace xk::authz {

inline ByteView bytes_of(const Record& record) { return {record.bytes.begin(), record.bytes.size()}; }

inline bool is_of_kind(const Credential& credential, DeviceKind kind) {
    return !is_empty_place(credential) && credential.legacy.kind == kind;
}

// An old client has no request id. The hash of its packet takes the place of id and MAC, so that only the same packet
// has the same key.
inline KnockId key_of_packet(const wire::CredentialId& credential, const Bytes<32>& hash) {
    KnockId key{credential, {}, {}};
    static_assert(sizeof key.request + sizeof key.mac <= sizeof hash);
    std::copy_n(hash.begin(), key.request.size(), key.request.begin());
    std::copy_n(hash.begin() + key.request.size(), key.mac.size(), key.mac.begin());
    return key;
}

// The address that the packet names, or none for the one that it comes from. An address other than the source is for
// somebody else, which few may do (Binding).
inline void put_address(Wanted& wanted, const std::optional<Address>& named, const Address& source) {
    if (!named)
        return;
    wanted.address = *named;
    wanted.address_mode = *named == source ? AddressMode::bound : AddressMode::delegated;
}

} // namespace xk::authz
