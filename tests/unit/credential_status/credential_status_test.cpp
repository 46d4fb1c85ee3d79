// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/credential_status.h"

#include "tests/unit/recording/log.h"

#include <doctest/doctest.h>

#include <memory>

using namespace xk;
using namespace xk::authz;
using namespace xk::test;
using namespace std::chrono_literals;

namespace {

const Now kNow{WallTime(1'700'000'000s), BootTime(1000s)};

Credential credential(std::uint8_t id, const char* user) {
    Credential one;
    one.id = {id};
    one.user = Name(user);
    one.device = Name("laptop");
    return one;
}

CredentialState record(std::uint8_t id, std::int64_t locked_until = 0) {
    CredentialState one{};
    one.id = {id};
    one.locked_until = locked_until;
    return one;
}

std::int64_t ns(BootTime time) { return time.time_since_epoch().count(); }

struct Memory {
    std::unique_ptr<StateImage> image = std::make_unique<StateImage>();
    Policy policy;
    Records records;

    std::uint8_t id_found(std::size_t credential) const { return records.of(policy, credential, *image).id[0]; }
};

} // namespace

TEST_CASE("a status is that of the first rule that keeps the device out") {
    Credential one = credential(1, "anna");
    const auto status = [&](std::int64_t locked_until = 0) { return status_of(one, record(1, locked_until), kNow); };
    CHECK(status() == CredentialStatus::ok);
    CHECK(status(ns(kNow.boot)) == CredentialStatus::ok); // a lock ends at its moment
    CHECK(status(ns(kNow.boot + 1s)) == CredentialStatus::locked_for_a_while);
    CHECK(status(kLockedForGood) == CredentialStatus::locked);
    one.valid_from = kNow.wall;
    one.valid_until = kNow.wall + 1s;
    CHECK(status() == CredentialStatus::ok);
    one.valid_from = kNow.wall + 1us;
    CHECK(status(kLockedForGood) == CredentialStatus::not_yet_valid);
    one.valid_from = {};
    one.valid_until = kNow.wall;
    CHECK(status(kLockedForGood) == CredentialStatus::expired);
    one.enabled = false;
    CHECK(status(kLockedForGood) == CredentialStatus::disabled);
}

TEST_CASE("each status has a name of its own") {
    CHECK(name_of(CredentialStatus::ok) == "ok");
    CHECK(name_of(CredentialStatus::disabled) == "disabled");
    CHECK(name_of(CredentialStatus::not_yet_valid) == "not yet valid");
    CHECK(name_of(CredentialStatus::expired) == "expired");
    CHECK(name_of(CredentialStatus::locked_for_a_while) == "locked for a while");
    CHECK(name_of(CredentialStatus::locked) == "locked");
}

TEST_CASE("records are found wherever the worker keeps them, and a credential without one has an empty one") {
    Memory m;
    m.policy.credentials = {credential(1, "anna"), credential(2, "bert"), credential(3, "carl")};
    m.image->credentials[0] = record(9); // of a credential that is gone
    m.image->credentials[4] = record(2);
    m.image->credentials[7] = record(1);
    CHECK(m.id_found(0) == 0); // nothing was looked for yet
    m.records.find(m.policy, *m.image);
    CHECK(m.id_found(0) == 1);
    CHECK(m.id_found(1) == 2);
    CHECK(m.id_found(2) == 0);
    // The worker has made one since then.
    m.image->credentials[5] = record(3);
    CHECK(m.id_found(2) == 0);
    m.records.find(m.policy, *m.image);
    CHECK(m.id_found(2) == 3);
}

TEST_CASE("records of another configuration are never taken for those of this one") {
    Memory m;
    m.policy.credentials = {credential(1, "anna"), credential(2, "bert")};
    m.image->credentials[0] = record(1);
    m.image->credentials[1] = record(2);
    m.records.find(m.policy, *m.image);
    m.policy.credentials = {credential(2, "bert"), credential(1, "anna"), credential(3, "carl")};
    for (std::size_t i = 0; i < 3; ++i)
        CHECK(m.id_found(i) == 0);
    m.records.find(m.policy, *m.image);
    CHECK(m.id_found(0) == 2);
    CHECK(m.id_found(1) == 1);
    CHECK(m.id_found(2) == 0);
}

TEST_CASE("the log names those that may not knock, and those that soon may not") {
    Memory m;
    for (std::uint8_t i = 1; i <= 12; ++i)
        m.policy.credentials.push_back(credential(i, ("user" + std::to_string(i)).c_str()));
    auto& all = m.policy.credentials;
    for (std::size_t i = 0; i < 9; ++i)
        all[i].enabled = false;
    all[0].valid_until = kNow.wall + 24h; // disabled: it does not matter
    all[9].valid_until = kNow.wall - 1s;
    all[10].valid_until = kNow.wall + 7 * 24h - 1s;
    all[11].valid_until = kNow.wall + 7 * 24h;
    m.image->credentials[3] = record(11, kLockedForGood);
    const CapturedLog log;
    log_statuses(m.policy, m.records, *m.image, kNow);
    CHECK(log.text() == "info may not knock, disabled: user1/laptop, user2/laptop, user3/laptop, user4/laptop, "
                        "user5/laptop, user6/laptop, user7/laptop, user8/laptop and 1 more\n"
                        "info may not knock, expired: user10/laptop\n"
                        "info may not knock, locked: user11/laptop\n"
                        "warning valid for less than 7 days more: user11/laptop (2023-11-21T22:13:19Z)\n");
}

TEST_CASE("the log says nothing where everybody may knock") {
    Memory m;
    m.policy.credentials = {credential(1, "anna")};
    const CapturedLog log;
    log_statuses(m.policy, m.records, *m.image, kNow);
    CHECK(log.text().empty());
}
