// SPDX-License-Identifier: MIT
#include "protocol/secret.h"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

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

TEST_CASE("a child that is forked does not have a secret that is kept from it") {
    Secret<Key> kept, shared;
    kept->fill(0xaa);
    shared->fill(0xaa);
    kept.keep_from_children();
    Secret<Key>(0).keep_from_children();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
        ::_exit((all_zero(*kept) ? 1 : 0) + (all_zero(*shared) ? 2 : 0));
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 1 << 8);
    CHECK((*kept)[0] == 0xaa);
}

TEST_CASE("a wiped object is zero when its scope ends") {
    Key key;
    key.fill(0xaa);
    { Wiped wiped(key); }
    CHECK(all_zero(key));
}
