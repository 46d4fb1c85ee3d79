// SPDX-License-Identifier: MIT
#include "protocol/secret.h"

#include <doctest/doctest.h>

#include <type_traits>

#include "protocol/keys.h"

using namespace xk;

TEST_CASE("a secret cannot be copied or printed") {
    static_assert(!std::is_copy_constructible_v<Secret<Key>>);
    static_assert(!std::is_copy_assignable_v<Secret<Key>>);
    static_assert(std::is_nothrow_move_constructible_v<Secret<Key>>);
    CHECK(true);
}

TEST_CASE("a secret begins as zeros and moves without leaving anything behind") {
    Secret<Key> a;
    CHECK(all_zero(*a));
    (*a)[0] = 1;
    Secret<Key> b(std::move(a));
    CHECK((*b)[0] == 1);
    CHECK(a.data() == nullptr);
    CHECK(Secret<Key>(0).size() == 0);
}

TEST_CASE("a secret's pages are locked") {
    const Secret<Key> keys(64);
    CHECK(keys.locked());
}

TEST_CASE("a wiped object is zero when its scope ends") {
    Key key;
    key.fill(0xaa);
    { Wiped wiped(key); }
    CHECK(all_zero(key));
}
