// SPDX-License-Identifier: MIT
#include "protocol/keys.h"

#include <doctest/doctest.h>

using namespace xk;

namespace {
CredentialKeys derived(std::uint8_t credential, std::uint8_t server, std::uint8_t id) {
    CredentialKeys keys;
    derive_keys(keys, Key{credential}, wire::ServerId{server}, wire::CredentialId{id});
    return keys;
}
} // namespace

TEST_CASE("credential, server and credential id each change every key") {
    const auto keys = derived(1, 1, 1);
    for (const auto& other : {derived(2, 1, 1), derived(1, 2, 1), derived(1, 1, 2)}) {
        CHECK(keys.gate != other.gate);
        CHECK(keys.seal != other.seal);
        CHECK(keys.nonce != other.nonce);
    }
    CHECK(keys.gate != keys.seal);
    CHECK(keys.seal != keys.nonce);
}

TEST_CASE("tag, MAC key and box key change with every slot") {
    const auto keys = derived(1, 1, 1);
    CHECK(gate_keys(keys.gate, 5).tag != gate_keys(keys.gate, 6).tag);
    CHECK(gate_keys(keys.gate, 5).mac_key != gate_keys(keys.gate, 6).mac_key);
    CHECK(seal_key(keys.seal, 5) != seal_key(keys.seal, 6));
}

TEST_CASE("a slot is thirty seconds") {
    using namespace std::chrono_literals;
    CHECK(slot_of(WallTime(0us)) == 0);
    CHECK(slot_of(WallTime(29'999'999us)) == 0);
    CHECK(slot_of(WallTime(30s)) == 1);
    CHECK(slot_of(WallTime(-1us)) == 0);
    CHECK(slot_begin(7) == WallTime(210s));
    CHECK(slot_end(7) == WallTime(240s));
}
