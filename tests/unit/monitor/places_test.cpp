// SPDX-License-Identifier: MIT
// Places: who has which, over any number of reloads.
#include "daemon/monitor/places.h"

#include <doctest/doctest.h>

#include <random>

using namespace xk;

namespace {

authz::Credential credential_of(std::uint32_t n) {
    authz::Credential credential;
    credential.id = {9, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)};
    return credential;
}

authz::Policy policy_of(const std::vector<std::uint32_t>& devices) {
    authz::Policy policy;
    for (const std::uint32_t n : devices)
        policy.credentials.push_back(credential_of(n));
    policy.make_index();
    return policy;
}

// Secrets that were read, and are what they were.
std::vector<SecretStamps> settled(const authz::Policy& policy) {
    SecretStamp stamp;
    stamp.is_settled = true;
    return std::vector<SecretStamps>(policy.credentials.size(), {stamp});
}

} // namespace

TEST_CASE("a credential keeps its place, and a new one takes the lowest that is free") {
    Places places;
    const auto first = policy_of({10, 11, 12, 13});
    places.commit(places.plan(nullptr, first, settled(first)));
    const auto second = policy_of({13, 20, 11, 21, 22});
    auto plan = places.plan(&first, second, settled(second));
    CHECK(plan.change.places == 5);
    CHECK(plan.touched() == std::set<std::uint32_t>{0, 2, 4});
    places.commit(std::move(plan));
    CHECK(places.find(credential_of(11).id) == 1);
    CHECK(places.find(credential_of(13).id) == 3);
    CHECK(places.find(credential_of(20).id) == 0);
    CHECK(places.find(credential_of(21).id) == 2);
    CHECK(places.find(credential_of(22).id) == 4);
    CHECK(places.find(credential_of(10).id) == std::nullopt);
}

TEST_CASE("a plan of some users is that of all, and looks at nobody else") {
    std::mt19937 random(11);
    const auto owned = [](std::uint32_t n, const std::string& user) {
        authz::Credential credential = credential_of(n);
        credential.user = authz::Name(user);
        return credential;
    };
    authz::Policy before;
    Places whole, partial;
    for (int round = 0; round < 200; ++round) {
        CAPTURE(round);
        // Some credentials of anna and bob come, go and change. Those of others stay.
        authz::Policy next;
        for (std::uint32_t n = 0; n < 20; ++n)
            next.credentials.push_back(owned(n, "others"));
        for (std::uint32_t n = 100; n < 120; ++n)
            if (random() % 3 != 0) {
                next.credentials.push_back(owned(n, random() % 2 == 0 ? "anna" : "bob"));
                next.credentials.back().enabled = random() % 2 == 0;
            }
        next.make_index();
        std::vector<SecretStamps> stamps = settled(next);
        auto plan = whole.plan(round == 0 ? nullptr : &before, next, stamps);
        for (std::size_t i = 0; i < 20 && round > 0; ++i)
            stamps[i] = {}; // would count as changed
        auto some = round == 0 ? partial.plan(nullptr, next, stamps)
                               : partial.plan_users(before, next, stamps, {"anna", "bob"});
        CHECK(some.is_partial == (round > 0));
        CHECK(some.touched() == plan.touched());
        CHECK(some.indices == plan.indices);
        CHECK(some.change.places == plan.change.places);
        CHECK(some.change.emptied == plan.change.emptied);
        CHECK(partial.size_after(some) == next.credentials.size());
        whole.commit(std::move(plan));
        partial.commit(std::move(some));
        REQUIRE(partial.count() == whole.count());
        for (std::uint32_t place = 0; place < whole.count(); ++place)
            CHECK(partial.is_taken(place) == whole.is_taken(place));
        for (std::uint32_t n = 0; n < 120; ++n)
            CHECK(partial.find(credential_of(n).id) == whole.find(credential_of(n).id));
        before = next;
    }
}

TEST_CASE("a plan that does not come to count leaves everything as it was") {
    Places places;
    const auto first = policy_of({10, 11});
    places.commit(places.plan(nullptr, first, settled(first)));
    const auto second = policy_of({12});
    (void)places.plan(&first, second, settled(second));
    CHECK(places.find(credential_of(10).id) == 0);
    CHECK(places.count() == 2);
    CHECK(places.is_taken(1));
}

TEST_CASE("all places may be taken, and all of them be taken by others at once") {
    std::vector<std::uint32_t> devices(authz::kMaxCredentials);
    for (std::uint32_t n = 0; n < devices.size(); ++n)
        devices[n] = n;
    Places places;
    const auto first = policy_of(devices);
    places.commit(places.plan(nullptr, first, settled(first)));
    for (std::uint32_t& n : devices)
        n += 20'000;
    const auto second = policy_of(devices);
    const auto plan = places.plan(&first, second, settled(second));
    CHECK(plan.change.changed.size() == authz::kMaxCredentials);
    CHECK(plan.change.places == authz::kMaxCredentials);
    CHECK(is_sound(plan.change));
}

TEST_CASE("whatever comes and goes, the worker's policy is the one that counts") {
    std::mt19937 random(7);
    Places places;
    authz::Policy before, at_worker;
    for (unsigned round = 0; round < 200; ++round) {
        std::vector<std::uint32_t> devices;
        for (std::uint32_t n = 0; n < 60; ++n)
            if (random() % 3 != 0)
                devices.push_back(n);
        std::shuffle(devices.begin(), devices.end(), random);
        authz::Policy next = policy_of(devices);
        for (authz::Credential& credential : next.credentials)
            credential.lifetime = std::chrono::seconds(random() % 3);
        auto plan = places.plan(round == 0 ? nullptr : &before, next, settled(next));
        REQUIRE(is_sound(plan.change));
        apply(plan.change, at_worker);
        places.commit(std::move(plan));
        std::size_t taken = 0;
        for (std::uint32_t place = 0; place < at_worker.credentials.size(); ++place) {
            const authz::Credential& there = at_worker.credentials[place];
            REQUIRE(is_empty_place(there) != places.is_taken(place));
            if (is_empty_place(there))
                continue;
            ++taken;
            REQUIRE(places.find(there.id) == place);
            REQUIRE(there == next.credentials[next.find_credential(there.id).value()]);
        }
        REQUIRE(taken == next.credentials.size());
        before = std::move(next);
    }
}

TEST_CASE("a change that is not sound is none") {
    authz::PolicyChange change;
    change.places = 2;
    change.changed = {{0, credential_of(1)}, {1, credential_of(2)}};
    CHECK(is_sound(change));
    auto twice = change;
    twice.changed[1].place = 0;
    CHECK_FALSE(is_sound(twice));
    auto outside = change;
    outside.changed[1].place = 2;
    CHECK_FALSE(is_sound(outside));
    auto nobody = change;
    nobody.changed[1].credential.id = {};
    CHECK_FALSE(is_sound(nobody));
    auto both = change;
    both.emptied = {1};
    CHECK_FALSE(is_sound(both));
    auto many = change;
    many.places = authz::kMaxCredentials + 1;
    CHECK_FALSE(is_sound(many));
}
