// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/proof.h"
#include "tools/knockctl/host/setup/why.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace xk;
using namespace xk::tools::setup;
using nlohmann::json;

namespace {

BootTime at(int second) { return BootTime(std::chrono::seconds(second)); }

json grant(int second, const char* address = "192.0.2.2", const char* ports = "tcp/22, udp/51820") {
    return {{"kind", "grant_begun"}, {"user", "anna"},  {"device", "laptop"},
            {"address", address},    {"grants", ports}, {"boot_ns", at(second).time_since_epoch().count()}};
}
json events(const std::vector<json>& list) { return {{"events", list}}; }

Connection connection(const char* remote, std::uint16_t port) {
    Connection made;
    made.session = {*Address::parse(remote), 40000, *Address::parse("192.0.2.1"), port};
    made.established = made.taken = true;
    return made;
}

} // namespace

TEST_CASE("the kernel's table of connections") {
    // A listener, a session with a program, one that nobody has accepted yet, one half open; and garbage.
    const auto rows = parse_connections(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11111 1 0 100 0 0 "
        "10 0\n"
        "   1: 010200C0:0016 020200C0:9C40 01 00000000:00000000 02:000A0000 00000000     0        0 22222 4 0 20 4 29 "
        "10 -1\n"
        "   2: 010200C0:0016 020200C0:9C41 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 29 10 "
        "-1\n"
        "   3: 010200C0:0016 020200C0:9C42 03 00000000:00000000 01:00000000 00000000     0        0 0 1 0\n"
        "nonsense\n   5: 010200C0 020200C0:9C42 01\n");
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].inode == 22222);
    CHECK(ends_of(rows[0].connection.session) == "192.0.2.2 40000 192.0.2.1 22");
    CHECK(rows[0].connection.established);
    CHECK(rows[0].connection.taken);
    CHECK_FALSE(rows[1].connection.taken);
    CHECK_FALSE(rows[2].connection.established);
    const auto mapped = parse_connections("heading\n 0: 0000000000000000FFFF0000010200C0:0016 "
                                          "0000000000000000FFFF0000020200C0:9C40 01 0:0 00:0 0 0 0 333 1\n");
    REQUIRE(mapped.size() == 1);
    CHECK(ends_of(mapped[0].connection.session) == "192.0.2.2 40000 192.0.2.1 22");
}

TEST_CASE("grants by a knock") {
    json operators = grant(1);
    operators["user"] = "operator";
    operators.erase("device");
    json prolonged = grant(2), by_session = grant(3);
    prolonged["kind"] = by_session["kind"] = "grant_prolonged";
    by_session["detail"] = "its sessions";
    const auto all = knock_grants(
        events({operators, prolonged, by_session, {{"kind", "knock_accepted"}}, 7, grant(4, "no address"), grant(5)}));
    REQUIRE(all.size() == 2);
    CHECK(all[0].who == "anna/laptop");
    CHECK(all[0].ports.size() == 2);
    CHECK(all[1].begun == BootTime(std::chrono::seconds(5)));
    CHECK(knock_grants(json::object()).empty());
    CHECK(knock_grants({{"events", "none"}}).empty());
    // Those before the trial are no part of it. Who puts its end off begins no other.
    const json begun = {{"kind", "trial_begun"}}, confirmed = {{"kind", "trial_confirmed"}};
    CHECK(knock_grants(events({grant(1), begun})).empty());
    CHECK(knock_grants(events({begun, grant(1), begun})).size() == 1);
    CHECK(knock_grants(events({begun, grant(1), confirmed, begun})).empty());
    // A port of a host behind this one is no port of this host.
    CHECK(knock_grants(events({grant(1, "192.0.2.2", "tcp/22 of 203.0.113.7")})).at(0).ports.empty());
}

TEST_CASE("a connection is new when it was not there before") {
    const Connection old = connection("192.0.2.2", 22), fresh = connection("192.0.2.3", 22);
    Sightings sightings({old});
    std::vector<Connection> now = {old, fresh};
    sightings.note(now, at(5));
    CHECK_FALSE(now[0].seen);
    CHECK(now[1].seen == at(5));
    sightings.note(now, at(6));
    CHECK(now[1].seen == at(5));
    // The ends of one that is gone may come again.
    std::vector<Connection> none, again = {old};
    sightings.note(none, at(7));
    sightings.note(again, at(8));
    CHECK(again[0].seen == at(8));
}

TEST_CASE("a new connection by a knock is the proof, and nothing less") {
    config::Config config;
    const auto grants = knock_grants(events({grant(100)}));
    Connection session = connection("192.0.2.2", 22);
    session.seen = at(101);
    const auto proves = [&](const Connection& one) { return find_proof(grants, {one}, config).has_value(); };
    const auto proof = find_proof(grants, {session}, config);
    REQUIRE(proof);
    CHECK(proof->who == "anna/laptop");
    CHECK(proof->session == session.session);
    CHECK_FALSE(find_proof({}, {session}, config)); // no knock
    CHECK_FALSE(find_proof(grants, {}, config));    // a grant alone
    const auto but = [&](auto change) {
        Connection other = session;
        change(other);
        return proves(other);
    };
    CHECK_FALSE(but([](Connection& c) { c.seen.reset(); }));  // it was there before
    CHECK_FALSE(but([](Connection& c) { c.seen = at(99); })); // before the knock
    CHECK_FALSE(but([](Connection& c) { c.session.remote = *Address::parse("192.0.2.3"); }));
    CHECK_FALSE(but([](Connection& c) { c.session.local_port = 80; }));
    CHECK_FALSE(but([](Connection& c) { c.session.local_port = 51820; })); // of UDP
    CHECK_FALSE(but([](Connection& c) { c.established = false; }));
    CHECK_FALSE(but([](Connection& c) { c.taken = false; }));
    config.allow = {*Prefix::parse("192.0.2.0/24")};
    CHECK_FALSE(proves(session)); // it needed no knock
}

TEST_CASE("a grant that is over opened nothing") {
    json ended = grant(110);
    ended["kind"] = "grant_ended";
    const auto grants = knock_grants(events({grant(100), ended, grant(200)}));
    REQUIRE(grants.size() == 2);
    CHECK(grants[0].ended == at(110));
    CHECK(grants[1].ended == BootTime::max());
    const auto proves = [&](int second) {
        Connection session = connection("192.0.2.2", 22);
        session.seen = at(second);
        return find_proof(grants, {session}, config::Config()).has_value();
    };
    CHECK(proves(105));
    CHECK(proves(111)); // a look later
    CHECK_FALSE(proves(113));
    CHECK(proves(201));
}

TEST_CASE("who began to look later knows a new session by its process") {
    const auto grants = knock_grants(events({grant(100)}));
    const auto proves = [&](std::chrono::milliseconds process) {
        Connection session = connection("192.0.2.2", 22);
        session.process = BootTime(process);
        return find_proof(grants, {session}, config::Config()).has_value();
    };
    CHECK(proves(std::chrono::milliseconds(100'500)));
    CHECK(proves(std::chrono::milliseconds(99'991))); // the kernel rounds down
    CHECK_FALSE(proves(std::chrono::milliseconds(99'000)));
}

TEST_CASE("who needs no knock proves nothing, and is named") {
    config::Config config;
    config.allow = {*Prefix::parse("192.0.2.0/24")};
    authz::Service ssh;
    ssh.ports[0] = *PortRange::parse("tcp/22");
    ssh.port_count = 1;
    config.policy.services.push_back(ssh);
    std::vector<Connection> all = {connection("192.0.2.2", 22), connection("192.0.2.3", 80),
                                   connection("192.0.2.4", 22), connection("198.51.100.1", 22)};
    for (Connection& one : all)
        one.seen = at(1);
    all[2].seen.reset();
    CHECK(allowed_visitors(all, config) == std::set<Address>{*Address::parse("192.0.2.2")});
}

TEST_CASE("why nothing came") {
    Course course;
    course.port = 62201;
    course.before = {{"filter", {{"tag", 3u}, {"candidate", 2u}}}, {"refused", {{"stale", 1u}}}};
    course.after = course.before;
    CHECK(why_nothing_came(course) == "  no knock arrived at udp/62201: does a firewall in front of this host let it "
                                      "through, and has the client the right address?");
    course.after["filter"]["tag"] = 5u;
    course.after["filter"]["candidate"] = 9u; // says nothing by itself
    CHECK(why_nothing_came(course).starts_with("  2 x dropped as tag: packets that no device's key made"));
    course.after["refused"]["wrong-code"] = 4u;
    course.after["refused"]["half-open"] = 1u;
    CHECK(why_nothing_came(course).find("  4 x refused as wrong-code: the code was wrong") == 0);
    CHECK(why_nothing_came(course).find("\n  1 x refused as half-open\n") != std::string::npos);
    CHECK(why_nothing_came(course).find("stale") == std::string::npos); // of another day
    course.opened = {"ssh for 192.0.2.2 by anna/laptop"};
    course.allowed = {*Address::parse("203.0.113.9")};
    CHECK(why_nothing_came(course).find("  a knock opened ssh for 192.0.2.2 by anna/laptop, and no connection") == 0);
    CHECK(why_nothing_came(course).find("a connection came from 203.0.113.9: gate.allow lets it in") !=
          std::string::npos);
    course.before = course.after = json();
    CHECK_FALSE(why_nothing_came(course).empty());
}
