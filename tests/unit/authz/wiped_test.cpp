// SPDX-License-Identifier: MIT
// The secrets of a knock are in no memory that is free again when it has been judged.
#include "daemon/authz/factor.h"
#include "daemon/authz/methods/packet.h"
#include "tests/unit/authz/fixtures.h"
#include "tests/unit/recording/left_behind.h"

#include <cstddef>
#include <new>

using namespace xk;
using namespace xk::test;

namespace {

// Room for a result. Nothing runs behind the function that makes it, so nothing is written over what it has left.
template <typename T>
struct Place {
    alignas(T) std::byte memory[sizeof(T)];
    T& value() { return *std::launder(reinterpret_cast<T*>(memory)); }
};

// A knock whose second factor is an HMAC; that HMAC; and the method that proves it.
struct Knock {
    Knock() : keys(s.policy.credentials.size()) {
        keys[kHmac] = s.keys_of(kHmac);
        const Slot slot = slot_of(s.now.wall);
        record = s.sealed(kHmac, s.request(kHmac));
        const auto opened = open_box(keys[kHmac].seal, slot, packet_of(record));
        REQUIRE(opened);
        proof.assign(opened->begin() + wire::kSignedSize, opened->begin() + wire::kSignedSize + 32);
        mac_key = gate_keys(keys[kHmac].gate, slot).mac_key;
        method = make_packet_method({s.policy, keys, factors, legacy, handshakes});
        method->follow_clock(s.now);
    }
    bool leaves(ByteView secret, const Record& what) {
        return leaves_behind(
            secret, [&] { new (unproved.memory) std::optional<Unproved>(method->prove_record(what, s.now, claim)); });
    }

    Setup s;
    Secret<CredentialKeys> keys;
    LegacySecrets legacy;
    Secret<FactorSecret> factors{0};
    Handshakes handshakes{s.policy, keys};
    Record record;
    std::vector<std::uint8_t> proof;
    Bytes<wire::kMacKeySize> mac_key{};
    std::unique_ptr<Method> method;
    Claim claim;
    Place<std::optional<Unproved>> unproved;
};

} // namespace

TEST_CASE("the second factor of a knock that was proved is in the claim and in no memory that is free") {
    Knock k;
    CHECK_FALSE(k.leaves(k.proof, k.record));
    CHECK_FALSE(k.unproved.value());
    CHECK(std::equal(k.proof.begin(), k.proof.end(), k.claim.evidence.proof.begin()));
}

TEST_CASE("the MAC key of a knock is in no memory that is free, proved or not") {
    Knock k;
    CHECK_FALSE(k.leaves(k.mac_key, k.record));
    CHECK_FALSE(k.unproved.value());
    wire::Packet changed = packet_of(k.record);
    changed[wire::kMacOffset] ^= 1;
    k.record.bytes.assign(changed);
    CHECK_FALSE(k.leaves(k.mac_key, k.record));
    CHECK(k.unproved.value()->reason == Reject::mac);
}

TEST_CASE("the key of a second factor is in no memory that is free when the factor was checked") {
    Knock k;
    REQUIRE_FALSE(k.method->prove_record(k.record, k.s.now, k.claim));
    auto secret = std::make_unique<FactorSecret>();
    secret->size = kHmacKey.size();
    std::copy(kHmacKey.begin(), kHmacKey.end(), secret->bytes);
    Place<FactorVerdict> verdict;
    CHECK_FALSE(leaves_behind(kHmacKey, [&] {
        new (verdict.memory)
            FactorVerdict(verify_factor(k.s.policy.credentials[kHmac], *secret, k.claim.evidence, k.s.now.wall, 0));
    }));
    CHECK_FALSE(verdict.value().reason);
}

TEST_CASE("the second factor of a knock that was judged is in no memory that is free") {
    Knock k;
    Place<Outcome> outcome;
    CHECK_FALSE(leaves_behind(
        k.proof, [&] { new (outcome.memory) Outcome(k.s.judge->judge_record(k.record, k.s.now, k.s.firewall)); }));
    CHECK(is_accepted(outcome.value()));
    outcome.value().~Outcome();
}
