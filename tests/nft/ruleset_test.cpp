// SPDX-License-Identifier: MIT
#include "daemon/nft/ruleset.h"

#include "daemon/nft/ban_sets.h"
#include "tests/nft/fixtures.h"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <thread>

using namespace xk;
using namespace xk::nft;
using namespace xk::test;
using namespace std::chrono_literals;

namespace {

// The sets of pinholes of this host, one endpoint each.
SetName grants_set(bool v4) { return {kTable, v4 ? "grants4" : "grants6"}; }

Element grant(const char* source, const char* to, std::chrono::milliseconds timeout,
              const char* comment = "anna/laptop") {
    Element e;
    e.key = grant_key(address(source), endpoint(to));
    e.timeout = timeout;
    e.comment = comment;
    e.data = {1, 2, 3};
    return e;
}

void put(Socket& socket, const Element& element) {
    Transaction t;
    put_element(t, grants_set(element.key.size() == 12), element);
    const auto done = socket.commit(std::move(t));
    REQUIRE_MESSAGE(done.has_value(), done.error().message);
}

std::vector<Element> grants(Socket& socket, bool v4 = true) {
    auto list = list_elements(socket, grants_set(v4));
    REQUIRE(list.has_value());
    return *list;
}

// Rulesets that are too long for this file.
std::string read_listing(const std::string& name) {
    std::ifstream file(std::string(XK_LISTINGS "/") + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEST_CASE("the ruleset reads as a person would have written it") {
    Socket socket = socket_in_new_namespace();
    CHECK_FALSE(ruleset_exists(socket).value());
    REQUIRE(install_ruleset(socket, plain_spec()));
    CHECK(ruleset_exists(socket).value());
    CHECK(run_nft("list ruleset") == R"(table inet xknock {
	set grants4 {
		type ipv4_addr . inet_proto . inet_service
		flags timeout
	}

	set grants6 {
		type ipv6_addr . inet_proto . inet_service
		flags timeout
	}

	set once4 {
		type ipv4_addr . inet_proto . inet_service
		size 65535
		flags dynamic,timeout
	}

	set once6 {
		type ipv6_addr . inet_proto . inet_service
		size 65535
		flags dynamic,timeout
	}

	set banned4 {
		type ipv4_addr
		flags timeout
	}

	set banned_networks4 {
		type ipv4_addr
		flags interval
	}

	set begun4 {
		type ipv4_addr
		size 16384
		flags dynamic,timeout
	}

	set flows4 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service
		size 16384
		flags dynamic,timeout
	}

	set ended4 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service
		size 65535
		flags dynamic,timeout
	}

	set banned6 {
		type ipv6_addr
		flags timeout
	}

	set banned_networks6 {
		type ipv6_addr
		flags interval
	}

	set begun6 {
		type ipv6_addr
		size 16384
		flags dynamic,timeout
	}

	set flows6 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service . inet_service
		size 16384
		flags dynamic,timeout
	}

	set ended6 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service . inet_service
		size 65535
		flags dynamic,timeout
	}

	set protected {
		type inet_proto . inet_service
		elements = { tcp . 22,
			     udp . 51820 }
	}

	chain allow {
		iif "lo" accept comment "loopback"
		ip saddr 198.51.100.0/25 accept comment "gate.allow"
		ip6 saddr 2001:db8:a::/47 accept comment "gate.allow"
	}

	chain grants {
		ip saddr . meta l4proto . th dport @grants4 goto granted comment "granted"
		ip6 saddr . meta l4proto . th dport @grants6 goto granted comment "granted"
	}

	chain asked {
		meta l4proto tcp ip saddr . meta l4proto . ct original proto-dst @grants4 goto granted comment "granted"
		meta l4proto udp ip saddr . meta l4proto . ct original proto-dst @grants4 goto granted comment "granted"
		meta l4proto tcp ip6 saddr . meta l4proto . ct original proto-dst @grants6 goto granted comment "granted"
		meta l4proto udp ip6 saddr . meta l4proto . ct original proto-dst @grants6 goto granted comment "granted"
		ct state new meta l4proto tcp ip saddr . meta l4proto . ct original proto-dst @once4 delete @once4 { ip saddr . meta l4proto . ct original proto-dst } goto granted comment "granted, single use"
		ct state new meta l4proto udp ip saddr . meta l4proto . ct original proto-dst @once4 delete @once4 { ip saddr . meta l4proto . ct original proto-dst } goto granted comment "granted, single use"
		ct state new meta l4proto tcp ip6 saddr . meta l4proto . ct original proto-dst @once6 delete @once6 { ip6 saddr . meta l4proto . ct original proto-dst } goto granted comment "granted, single use"
		ct state new meta l4proto udp ip6 saddr . meta l4proto . ct original proto-dst @once6 delete @once6 { ip6 saddr . meta l4proto . ct original proto-dst } goto granted comment "granted, single use"
	}

	chain granted {
		update @begun4 { ip saddr timeout 2m10s } comment "retransmitted SYNs"
		update @begun6 { ip6 saddr timeout 2m10s } comment "retransmitted SYNs"
		ct state invalid,untracked update @flows4 { ip saddr . ip daddr . meta l4proto . th sport . th dport timeout 5d } comment "notrack"
		ct state invalid,untracked update @flows6 { ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport timeout 5d } comment "notrack"
		accept comment "granted"
	}

	chain shut {
		fib daddr type local counter packets 0 bytes 0 drop comment "protected"
		fib daddr . iif type local counter packets 0 bytes 0 drop comment "protected"
	}

	chain decide {
		udp dport 62201 fib daddr type local meta iifkind != "bridge" counter packets 0 bytes 0 drop comment "knock port"
		jump allow comment "gate.allow"
		jump grants comment "grants"
		ct state new ip saddr . meta l4proto . th dport @once4 goto granted comment "granted, single use"
		ct state new ip6 saddr . meta l4proto . th dport @once6 goto granted comment "granted, single use"
		meta l4proto . th dport @protected goto shut comment "protected"
	}

	chain gate {
		ct state invalid,untracked ip saddr . ip daddr . meta l4proto . th sport . th dport @flows4 update @flows4 { ip saddr . ip daddr . meta l4proto . th sport . th dport timeout 5d } accept comment "notrack"
		ct state invalid,untracked ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport @flows6 update @flows6 { ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport timeout 5d } accept comment "notrack"
		goto decide comment "all else"
	}

	chain begin {
		ct protocol tcp ct direction original ct status confirmed / assured,confirmed accept comment "a handshake that began"
		goto decide comment "all else"
	}

	chain delivered {
		iif "lo" accept comment "loopback"
		udp dport 62201 counter packets 0 bytes 0 drop comment "knock port"
		jump allow comment "gate.allow"
		ct state new ip saddr . meta l4proto . th dport @once4 delete @once4 { ip saddr . meta l4proto . th dport } goto granted comment "granted, single use"
		ct state new ip6 saddr . meta l4proto . th dport @once6 delete @once6 { ip6 saddr . meta l4proto . th dport } goto granted comment "granted, single use"
		jump grants comment "grants"
		ct status dnat jump asked comment "original port"
		meta l4proto . th dport @protected counter packets 0 bytes 0 drop comment "protected"
	}

	chain input_gate {
		ct state invalid,untracked ip saddr . ip daddr . meta l4proto . th sport . th dport @flows4 update @flows4 { ip saddr . ip daddr . meta l4proto . th sport . th dport timeout 5d } accept comment "notrack"
		ct state invalid,untracked ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport @flows6 update @flows6 { ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport timeout 5d } accept comment "notrack"
		goto delivered comment "all else"
	}

	chain input_begin {
		ct protocol tcp ct direction original ct status confirmed / assured,confirmed accept comment "a handshake that began"
		goto delivered comment "all else"
	}

	chain forwarded {
		jump allow comment "gate.allow"
		ct status dnat jump asked comment "original port"
	}

	chain forward_gate {
		ct state invalid,untracked ip saddr . ip daddr . meta l4proto . th sport . th dport @flows4 update @flows4 { ip saddr . ip daddr . meta l4proto . th sport . th dport timeout 5d } accept comment "notrack"
		ct state invalid,untracked ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport @flows6 update @flows6 { ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport timeout 5d } accept comment "notrack"
		goto forwarded comment "all else"
	}

	chain forward_begin {
		ct protocol tcp ct direction original ct status confirmed / assured,confirmed accept comment "a handshake that began"
		goto forwarded comment "all else"
	}

	chain over {
		meta l4proto tcp ct state new reject with tcp reset comment "tells both ends"
		drop comment "ended"
	}

	chain ended {
		tcp flags syn,rst return comment "new connections, and ends"
		ip saddr . ip daddr . meta l4proto . th sport . th dport @ended4 update @ended4 { ip saddr . ip daddr . meta l4proto . th sport . th dport timeout 7d } counter packets 0 bytes 0 goto over comment "sessions that were ended"
		ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport @ended6 update @ended6 { ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport timeout 7d } counter packets 0 bytes 0 goto over comment "sessions that were ended"
	}

	chain early_begin {
		jump allow comment "gate.allow"
		ip saddr @begun4 accept comment "retransmitted"
		ip6 saddr @begun6 accept comment "retransmitted"
		ip saddr . meta l4proto . th dport @grants4 accept comment "granted"
		ip6 saddr . meta l4proto . th dport @grants6 accept comment "granted"
		ip saddr . meta l4proto . th dport @once4 accept comment "granted"
		ip6 saddr . meta l4proto . th dport @once6 accept comment "granted"
		meta l4proto . th dport @protected fib daddr type local counter packets 0 bytes 0 drop comment "protected"
	}

	chain early {
		type filter hook prerouting priority raw; policy accept;
		tcp flags syn / syn,ack goto early_begin comment "SYN"
	}

	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		iif "lo" accept comment "loopback"
		ip saddr @banned4 counter packets 0 bytes 0 drop comment "banned"
		ip saddr @banned_networks4 counter packets 0 bytes 0 drop comment "banned"
		ip6 saddr @banned6 counter packets 0 bytes 0 drop comment "banned"
		ip6 saddr @banned_networks6 counter packets 0 bytes 0 drop comment "banned"
		tcp flags syn / syn,ack goto begin comment "SYN"
		ct state established accept comment "sessions that exist"
		jump ended comment "sessions that were ended"
		goto gate comment "all else"
	}

	chain input {
		type filter hook input priority 2147483645; policy accept;
		tcp flags syn / syn,ack goto input_begin comment "SYN"
		ct protocol tcp ct state established accept comment "sessions that exist"
		ct protocol udp ct state established accept comment "sessions that exist"
		meta l4proto tcp goto input_gate comment "all else"
		meta l4proto udp goto input_gate comment "all else"
	}

	chain forward {
		type filter hook forward priority 2147483645; policy accept;
		tcp flags syn / syn,ack goto forward_begin comment "SYN"
		ct protocol tcp ct state established accept comment "sessions that exist"
		ct protocol udp ct state established accept comment "sessions that exist"
		meta l4proto tcp goto forward_gate comment "all else"
		meta l4proto udp goto forward_gate comment "all else"
	}

	chain output {
		type filter hook output priority mangle; policy accept;
		ct state invalid,new,untracked jump ended comment "this host's own packets"
	}
}
)");
    REQUIRE(remove_ruleset(socket));
    CHECK(run_nft("list ruleset").empty());
    REQUIRE(remove_ruleset(socket)); // nothing there: nothing to do
}

TEST_CASE("everything that a configuration can ask for reads as it is written down beside this test") {
    for (const bool closed : {false, true}) {
        Socket socket = socket_in_new_namespace();
        RulesetSpec spec = full_spec();
        spec.closed = closed;
        for (int i = 0; i < 2; ++i) { // again is as the first time
            install(socket, spec);
            CHECK(run_nft("list ruleset") == read_listing(closed ? "full_closed.nft" : "full.nft"));
        }
    }
}

TEST_CASE("what one configuration adds goes with it") {
    // The kernel lists chains by age: one that went and came again is the last.
    const auto sorted = [](const std::string& listing) {
        std::istringstream lines(listing);
        std::multiset<std::string> all;
        for (std::string line; std::getline(lines, line);)
            all.insert(line);
        return all;
    };
    Socket socket = socket_in_new_namespace();
    install(socket, plain_spec());
    const auto before = sorted(run_nft("list ruleset"));
    for (const bool closed : {false, true}) {
        RulesetSpec more = full_spec();
        more.closed = closed;
        install(socket, more);
        CHECK(sorted(run_nft("list ruleset")) == sorted(read_listing(closed ? "full_closed.nft" : "full.nft")));
        install(socket, plain_spec());
        CHECK(sorted(run_nft("list ruleset")) == before);
    }
}

TEST_CASE("what is to stand with the rules stands with them, also where another table had the name") {
    for (const bool other_shape : {false, true}) {
        Socket socket = socket_in_new_namespace();
        if (other_shape)
            run_nft("'add table inet xknock; add set inet xknock grants4 { type ipv4_addr; }'");
        REQUIRE(install_ruleset(socket, plain_spec(), [](Transaction& t) {
            add_element(t, grants_set(true), grant("192.0.2.7", "tcp/22", 60s));
        }));
        CHECK(grants(socket).size() == 1);
        // What cannot be added keeps the rules from changing too.
        RulesetSpec changed = plain_spec();
        changed.protected_ports = {protected_port("tcp/80")};
        const auto refused = install_ruleset(socket, changed, [](Transaction& t) {
            add_element(t, {kTable, "no_such_set"}, grant("192.0.2.8", "tcp/22", 60s));
        });
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message.starts_with("installing table inet xknock: nf_tables refused a transaction"));
        CHECK(grants(socket).size() == 1);
        CHECK(run_nft("list set inet xknock protected").find("tcp . 22") != std::string::npos);
    }
}

TEST_CASE("a table that is made anew keeps each element's time, and those for ever") {
    Socket socket = socket_in_new_namespace();
    install(socket, plain_spec());
    put(socket, grant("192.0.2.7", "tcp/22", 60s));
    Transaction t;
    put_banned_address(t, address("203.0.113.9"), std::nullopt, "for ever");
    put_banned_address(t, address("203.0.113.10"), 1h, "an hour");
    write_banned_networks(t, {{Prefix::parse("198.51.100.0/24").value(), "net", {}}});
    Element begun;
    begun.key = address_key(address("192.0.2.7"));
    begun.timeout = 60s;
    add_element(t, {kTable, "begun4"}, begun); // does not last
    REQUIRE(socket.commit(std::move(t)));
    // A chain of our name that cannot be ours: the table has to be made anew.
    run_nft("'delete chain inet xknock early; add chain inet xknock early { type filter hook input priority 7; }'");
    install(socket, plain_spec());
    CHECK(run_nft("list chain inet xknock early").find("hook prerouting") != std::string::npos);
    REQUIRE(grants(socket).size() == 1);
    CHECK(grants(socket)[0].expires > 50s);
    CHECK(grants(socket)[0].expires <= 60s);
    const BootTime now(1'000s);
    auto bans = read_bans(socket, now).value();
    CHECK(bans.size() == 3);
    CHECK_FALSE(bans.at(Prefix::parse("203.0.113.9").value()).until);
    REQUIRE(bans.at(Prefix::parse("203.0.113.10").value()).until);
    CHECK(*bans.at(Prefix::parse("203.0.113.10").value()).until > now + 59min);
    CHECK(bans.contains(Prefix::parse("198.51.100.0/24").value()));
    CHECK(list_elements(socket, {kTable, "begun4"}).value().empty());
}

TEST_CASE("nft reads back what it shows, or a saved ruleset would keep a host's whole firewall from loading") {
    Socket socket = socket_in_new_namespace();
    for (const bool closed : {false, true}) {
        RulesetSpec spec = full_spec();
        spec.closed = closed;
        install(socket, spec);
        const std::string shown = run_nft("list ruleset");
        run_nft("list ruleset > /dev/shm/xk-ruleset-test && nft flush ruleset && nft -f /dev/shm/xk-ruleset-test; "
                "rm -f /dev/shm/xk-ruleset-test");
        CHECK(run_nft("list ruleset") == shown);
    }
}

TEST_CASE("installing again keeps grants and bans and takes over the new rules") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    const std::string before = run_nft("list ruleset");
    const auto table = [] { return run_nft("-a list table inet xknock | head -n 1"); };
    const std::string made = table();
    CHECK(made.find("# handle ") != std::string::npos);
    put(socket, grant("192.0.2.7", "tcp/22", 60s));
    RulesetSpec changed = plain_spec();
    changed.protected_ports = {protected_port("tcp/2222")};
    changed.allow.clear();
    changed.silent_ports.clear();
    REQUIRE(install_ruleset(socket, changed));
    CHECK(grants(socket).size() == 1);
    const std::string after = run_nft("list ruleset");
    CHECK(after.find("2222") != std::string::npos);
    CHECK(after.find("51820") == std::string::npos);
    CHECK(after.find("accept comment \"gate.allow\"") == std::string::npos);
    CHECK(after.find("62201") == std::string::npos);
    REQUIRE(install_ruleset(socket, plain_spec()));
    CHECK(table() == made); // the same table all the time
    run_nft("flush set inet xknock grants4");
    CHECK(run_nft("list ruleset") == before);
}

TEST_CASE("a table of the name and another shape is made anew with its grants") {
    Socket socket = socket_in_new_namespace();
    run_nft("-f - <<'N'\n"
            "table inet xknock {\n"
            " set grants4 { type ipv4_addr . inet_proto . inet_service; flags timeout;\n"
            "  elements = { 192.0.2.7 . tcp . 22 timeout 1h comment \"anna/laptop\" } }\n"
            " set banned4 { type ipv6_addr; }\n"
            " chain prerouting { type filter hook prerouting priority -5; }\n"
            "}\nN");
    REQUIRE(install_ruleset(socket, plain_spec()));
    const auto list = grants(socket);
    REQUIRE(list.size() == 1);
    CHECK(list[0].comment == "anna/laptop");
    CHECK(list[0].expires > 59min);
    CHECK(list[0].expires <= 60min);
    CHECK(run_nft("list ruleset").find("priority mangle") != std::string::npos);
}

TEST_CASE("a grant is one element, with time-out, comment and private data") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    for (const char* source : {"192.0.2.7", "2001:db8::7"}) {
        put(socket, grant(source, "tcp/22", 60s));
        const auto list = grants(socket, address(source).is_v4());
        REQUIRE(list.size() == 1);
        const auto key = parse_grant_key(list[0].key, address(source).is_v4(), false);
        REQUIRE(key.has_value());
        CHECK(key->source == address(source));
        CHECK(key->endpoint == endpoint("tcp/22"));
        CHECK(list[0].timeout == 60s);
        CHECK(list[0].expires > 59s);
        CHECK(list[0].comment == "anna/laptop");
        CHECK(list[0].data == std::vector<std::uint8_t>{1, 2, 3});
    }
    CHECK(run_nft("list set inet xknock grants4").find("192.0.2.7 . tcp . 22 timeout 1m expires") != std::string::npos);
    CHECK(run_nft("list set inet xknock grants6").find("comment \"anna/laptop\"") != std::string::npos);
}

TEST_CASE("putting again replaces time-out and comment and never duplicates") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    put(socket, grant("192.0.2.7", "tcp/22", 5s));
    put(socket, grant("192.0.2.7", "tcp/22", 300s, "bob/phone"));
    const auto list = grants(socket);
    REQUIRE(list.size() == 1);
    CHECK(list[0].expires > 299s);
    CHECK(list[0].comment == "bob/phone");
    put(socket, grant("192.0.2.7", "tcp/2222", 5s));
    put(socket, grant("192.0.2.7", "udp/22", 5s));
    put(socket, grant("192.0.2.8", "tcp/22", 5s));
    CHECK(grants(socket).size() == 4);
}

TEST_CASE("removing what is there, or not there, does not fail") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    put(socket, grant("192.0.2.7", "tcp/22", 60s));
    for (int i = 0; i < 2; ++i) {
        Transaction t;
        remove_element(t, grants_set(true), grant_key(address("192.0.2.7"), endpoint("tcp/22")));
        REQUIRE(socket.commit(std::move(t)));
        CHECK(grants(socket).empty());
    }
}

TEST_CASE("the kernel ends a grant by itself, and putting in that moment does not fail") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    // A grant that is put again while it runs out. Each has an address of its own: an element that has ended stays in
    // the kernel's table until it is collected, and a table with more than sixteen of one key may refuse another
    // (EBUSY, RHT_ELASTICITY in lib/rhashtable.c). Real grants last for longer than the collector takes.
    for (int i = 0; i < 200; ++i) {
        const std::string source = "192.0.2." + std::to_string(i + 1);
        put(socket, grant(source.c_str(), "tcp/22", 1ms));
        std::this_thread::sleep_for(std::chrono::microseconds(10 * i));
        put(socket, grant(source.c_str(), "tcp/22", 1ms));
    }
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!grants(socket).empty() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(5ms);
    CHECK(grants(socket).empty());
}

TEST_CASE("a transaction is done as a whole or not at all, and the next one works") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    Transaction t;
    put_element(t, grants_set(true), grant("192.0.2.7", "tcp/22", 60s));
    put_element(t, {"xknock", "no_such_set"}, grant("192.0.2.8", "tcp/22", 60s));
    const auto done = socket.commit(std::move(t));
    REQUIRE_FALSE(done);
    CHECK(done.error().message.find("nf_tables refused a transaction") != std::string::npos);
    CHECK(grants(socket).empty());
    put(socket, grant("192.0.2.7", "tcp/22", 60s));
    CHECK(grants(socket).size() == 1);
}

TEST_CASE("thousands of grants go in one transaction and are listed again") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    Transaction t;
    for (int i = 0; i < 10'000; ++i) {
        Element e = grant("192.0.2.7", "tcp/22", 60s);
        e.key[2] = static_cast<std::uint8_t>(i >> 8);
        e.key[3] = static_cast<std::uint8_t>(i);
        put_element(t, grants_set(true), e);
    }
    REQUIRE(socket.commit(std::move(t)));
    CHECK(grants(socket).size() == 10'000);
}

TEST_CASE("networks go into an interval set, up to the end of the address space") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    Transaction t;
    flush_set(t, banned_networks_set(true));
    Element begin, end;
    begin.key = address_key(address("192.0.2.0"));
    begin.data = {9};
    end.key = address_key(address("192.0.3.0"));
    end.interval_end = true;
    add_element(t, banned_networks_set(true), begin);
    add_element(t, banned_networks_set(true), end);
    begin.key = address_key(address("255.0.0.0"));
    add_element(t, banned_networks_set(true), begin);
    REQUIRE(socket.commit(std::move(t)));
    const std::string list = run_nft("list set inet xknock banned_networks4");
    CHECK(list.find("192.0.2.0/24") != std::string::npos);
    CHECK(list.find("255.0.0.0") != std::string::npos);
    unsigned begins = 0;
    for (const Element& e : list_elements(socket, banned_networks_set(true)).value())
        begins += !e.interval_end;
    CHECK(begins == 2);
}

TEST_CASE("bans are read back from the sets alone, with reasons and the time that is left") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    const BootTime now(1'000s);
    const auto network = [](const char* text) { return Prefix::parse(text).value(); };
    Transaction t;
    put_banned_address(t, address("203.0.113.9"), 1h, "sshd");
    put_banned_address(t, address("2001:db8::9"), std::nullopt, "for ever");
    write_banned_networks(t, {{network("198.51.100.0/24"), "net", now + 3h}, {network("2001:db8:9::/64"), "", {}}});
    REQUIRE(socket.commit(std::move(t)));
    auto bans = read_bans(socket, now).value();
    CHECK(bans.size() == 4);
    CHECK(bans[network("203.0.113.9")].reason == "sshd");
    REQUIRE(bans[network("203.0.113.9")].until);
    CHECK(*bans[network("203.0.113.9")].until > now + 59min);
    CHECK(*bans[network("203.0.113.9")].until <= now + 1h);
    CHECK(bans[network("2001:db8::9")].reason == "for ever");
    CHECK_FALSE(bans[network("2001:db8::9")].until);
    CHECK(bans[network("198.51.100.0/24")].reason == "net");
    CHECK(bans[network("198.51.100.0/24")].until == now + 3h);
    CHECK_FALSE(bans[network("2001:db8:9::/64")].until);
    // As the release before wrote them: the length alone.
    Element begin, end;
    begin.key = address_key(address("192.0.2.0"));
    begin.data = {96 + 24};
    begin.comment = "old";
    end.key = address_key(address("192.0.3.0"));
    end.interval_end = true;
    Transaction old;
    add_element(old, banned_networks_set(true), begin);
    add_element(old, banned_networks_set(true), end);
    REQUIRE(socket.commit(std::move(old)));
    bans = read_bans(socket, now).value();
    REQUIRE(bans.contains(network("192.0.2.0/24")));
    CHECK(bans[network("192.0.2.0/24")].reason == "old");
    CHECK_FALSE(bans[network("192.0.2.0/24")].until); // rather too long than forgotten
}

TEST_CASE("a network whose private data no daemon wrote is no ban") {
    Socket socket = socket_in_new_namespace();
    REQUIRE(install_ruleset(socket, plain_spec()));
    // Shorter and longer than the family has, with host bits, and of another form.
    const std::vector<std::vector<std::uint8_t>> foreign = {{24}, {95}, {129}, {255}, {96 + 16}, {}, {96 + 24, 0}};
    Transaction t;
    for (std::uint8_t i = 0; i < foreign.size(); ++i) {
        Element begin, end;
        begin.key = address_key(Address::v4(192, 0, static_cast<std::uint8_t>(2 * i + 1), 0));
        begin.data = foreign[i];
        end.key = address_key(Address::v4(192, 0, static_cast<std::uint8_t>(2 * i + 2), 0));
        end.interval_end = true;
        add_element(t, banned_networks_set(true), begin);
        add_element(t, banned_networks_set(true), end);
    }
    Element begin6, end6;
    begin6.key = address_key(address("2001:db8::"));
    begin6.data = {129};
    end6.key = address_key(address("2001:db9::"));
    end6.interval_end = true;
    add_element(t, banned_networks_set(false), begin6);
    add_element(t, banned_networks_set(false), end6);
    REQUIRE(socket.commit(std::move(t)));
    CHECK(list_elements(socket, banned_networks_set(true)).value().size() == 2 * foreign.size());
    CHECK(read_bans(socket, BootTime(1'000s)).value().empty());
    // The shortest that a family has.
    Transaction all;
    write_banned_networks(all,
                          {{Prefix::parse("0.0.0.0/0").value(), "all", {}}, {Prefix::parse("::/0").value(), "", {}}});
    REQUIRE(socket.commit(std::move(all)));
    CHECK(read_bans(socket, BootTime(1'000s)).value().size() == 2);
}

TEST_CASE("an external set is examined before it is used") {
    Socket socket = socket_in_new_namespace();
    const SetName name{"filter", "knock4"};
    auto refused = check_external_set(socket, name, true);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "there is no set \"knock4\" in table inet \"filter\"");
    run_nft("add table inet filter");
    run_nft("'add set inet filter knock4 { type ipv4_addr; flags timeout; }'");
    CHECK(check_external_set(socket, name, true).error().message.find("is not of type") != std::string::npos);
    run_nft("delete set inet filter knock4");
    run_nft("'add set inet filter knock4 { type ipv4_addr . inet_proto . inet_service; }'");
    refused = check_external_set(socket, name, true);
    CHECK(refused.error().message.find("has no flag timeout") != std::string::npos);
    run_nft("delete set inet filter knock4");
    // The hint is the command that makes it right.
    run_nft(refused.error().hint.substr(4, refused.error().hint.find("}'") + 2 - 4));
    CHECK(check_external_set(socket, name, true).has_value());
    CHECK_FALSE(check_external_set(socket, name, false).has_value());
}
