// SPDX-License-Identifier: MIT
#include "etc.h"

using namespace xk;
using namespace xk::config;
using test::Etc;
using test::has;

TEST_CASE("a start that fails shuts, or opens where somebody wants that") {
    const Etc etc;
    CHECK(etc.good().shut_on_failure);
    etc.write("xknock.yaml", std::string(Etc::kMain) + "gate: {on_failure: open}\n");
    CHECK_FALSE(etc.good().shut_on_failure);
    CHECK(has(etc.bad_added("gate: {on_failure: shutt}\n"), "\"shutt\" is neither shut nor open"));
}

TEST_CASE("each fault of the gate is named") {
    const Etc etc;
    CHECK(has(etc.bad_added("gate: {allow: [192.0.2.1/24]}\n"), "did you mean 192.0.2.0/24?"));
    CHECK(has(etc.bad_added("gate: {allow: [0.0.0.0/0]}\n"), "\"0.0.0.0/0\" allows everybody"));
    CHECK(has(etc.bad_added("gate: {allow: [\"::/0\"]}\n"), "\"::/0\" allows everybody"));
    CHECK(has(etc.bad_added("gate: {mode: extern}\n"), "\"extern\" is neither table nor external"));
    CHECK(has(etc.bad_added("gate: {mode: external}\n"), "needs \"external\""));
    CHECK(has(etc.bad_added("gate: {mode: external, external: {table: t, set4: a}}\n"), "\"set6\" is missing"));
    CHECK(has(etc.bad_added("gate: {external: {table: t, set4: a, set6: b}}\n"), "is for gate mode \"external\" only"));
    CHECK(has(etc.bad_added("gate: {mode: external, allow: [192.0.2.1], external: {table: t, set4: a, set6: b}}\n"),
              "\"allow\" is for gate mode \"table\" only"));
    CHECK(has(etc.bad_added("gate: {max_grants: 0}\n"), "is not a number from 1 to 65536"));
    CHECK(has(etc.bad_added("gate: {replay_entries: 4095}\n"), "is not a number from 4096 to 1048576"));
}

TEST_CASE("gate.never_ban is a list of networks, in both modes") {
    const Etc etc;
    const auto with = [&](const std::string& gate) {
        etc.write("xknock.yaml", std::string(Etc::kMain) + "gate: {" + gate + "}\n");
    };
    with("never_ban: [192.0.2.0/24, \"2001:db8::1\"]");
    CHECK(etc.good().never_ban ==
          std::vector<Prefix>{Prefix::parse("192.0.2.0/24").value(), Prefix::parse("2001:db8::1").value()});
    with("mode: external, external: {table: t, set4: a, set6: b}, never_ban: 192.0.2.7");
    CHECK(etc.good().never_ban.size() == 1);
    with("never_ban: [192.0.2.1/24]");
    CHECK(has(etc.bad(), "xknock.yaml:6:20: \"192.0.2.1/24\" has bits set behind its prefix length"));
    std::string many = "192.0.2.0";
    for (int i = 1; i < 256; ++i)
        many += ", 192.0.2." + std::to_string(i);
    with("never_ban: [" + many + "]");
    CHECK(etc.good().never_ban.size() == 256);
    with("never_ban: [" + many + ", 192.0.3.0]");
    CHECK(has(etc.bad(), "these are more than 256 networks"));
}
