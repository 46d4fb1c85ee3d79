// SPDX-License-Identifier: MIT
//
// Method: one way of knocking. It reads records of one kind and finds out what each of them proves. A new way is a file
// in methods/ and a row of the table in methods/table.cpp. The filter that reports it has a kind for it in bpf/abi.h.
#pragma once

#include "daemon/authz/claim.h"
#include "daemon/authz/factor.h"
#include "daemon/authz/legacy_secrets.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/record.h"
#include "daemon/authz/reject.h"
#include "protocol/keys.h"
#include "protocol/secret.h"

#include <memory>
#include <optional>
#include <span>

namespace xk::authz {

// The parts of the configuration that a Method needs. They outlive the Method, and a reload changes them
// (Method::remove_credential()).
class Handshakes;

struct MethodParts {
    const Policy& policy;
    const Secret<CredentialKeys>& keys;  // by place
    const Secret<FactorSecret>& factors; // by place
    const LegacySecrets& legacy;         // by place
    Handshakes& handshakes;
};

struct Unproved {
    Reject reason = Reject::count_;
    std::optional<std::uint32_t> credential; // index, where its key is proved but nothing more
};

class Method {
  public:
    virtual ~Method() = default;

    // Fills the claim with what the record proves by itself: its bytes are whole, and the credential's key made them.
    // It keeps no state that a record could fill, and calls no other process. The claim is filled in place, because it
    // carries a code and every copy would have to be wiped; the caller wipes this one, also where nothing is proved.
    virtual std::optional<Unproved> prove_record(const Record& record, const Now& now, Claim& claim) const = 0;

    // Call it when a slot begins and when the clock was set.
    virtual void follow_clock(const Now& now) = 0;

    // A reload changes the credentials at some places, and only those. Call the first for each of them while the parts
    // still have the old credential (there may be none), and the second when they have the new one.
    virtual void remove_credential(std::uint32_t place) = 0;
    virtual void add_credential(std::uint32_t place) = 0;
};

// The way of knocking that records of this kind are; none for a kind that no method reads.
constexpr std::optional<KnockMode> mode_of(RecordKind kind) {
    switch (kind) {
    case RecordKind::packet:
        return KnockMode::packet;
    case RecordKind::sequence:
        return KnockMode::sequence;
    case RecordKind::c_lock:
        return KnockMode::c_lock;
    case RecordKind::hello:
    case RecordKind::handshake_request:
        return KnockMode::handshake;
    case RecordKind::capyknock:
        return KnockMode::capyknock;
    case RecordKind::fwknop:
        return KnockMode::fwknop;
    }
    return std::nullopt;
}

struct MethodRow {
    RecordKind kind;
    std::unique_ptr<Method> (*make)(const MethodParts& parts);
};

// Every way of knocking, one row for each kind.
std::span<const MethodRow> method_table();

} // namespace xk::authz
