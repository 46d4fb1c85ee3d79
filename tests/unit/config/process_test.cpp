// SPDX-License-Identifier: MIT
#include "etc.h"

using namespace xk;
using namespace xk::config;
using test::Etc;
using test::has;

TEST_CASE("accounts are found by name and number") {
    CHECK(find_account("root").value().uid == 0);
    CHECK(find_account("62001").value().uid == 62001);
    CHECK(find_account("62001").value().gid == 62001);
    CHECK_FALSE(find_account("no-such-user-here").has_value());
    CHECK_FALSE(find_account("").has_value());
}

TEST_CASE("each fault of the accounts and groups is named") {
    const Etc etc;
    CHECK(has(etc.bad_added("control: {admin_group: no-such-group}\n"), "there is no group \"no-such-group\""));
    CHECK(has(
        etc.bad_main("interfaces: [a]\nservices: {ssh: tcp/22}\nprocess: {user: nobody-here, worker_user: 62002}\n"),
        "there is no user \"nobody-here\""));
    // Nothing is said of who may read the secrets then: every hint would be wrong.
    CHECK(!has(etc.bad(), "chgrp"));
    // -1 as a uid or gid would leave the process what it is: root.
    CHECK(
        has(etc.bad_main("interfaces: [a]\nservices: {ssh: tcp/22}\nprocess: {user: 4294967295, worker_user: 62002}\n"),
            "there is no user \"4294967295\""));
    CHECK(has(etc.bad_added("control: {admin_group: 4294967295}\n"), "there is no group \"4294967295\""));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {ssh: tcp/22}\nprocess: {user: 62001, worker_user: 62001}\n"),
              "must be two different users"));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {ssh: tcp/22}\nprocess: {user: 0, worker_user: 62001}\n"),
              "may be root"));
}
