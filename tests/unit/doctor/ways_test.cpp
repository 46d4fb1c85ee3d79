// SPDX-License-Identifier: MIT
//
// The finder of ways on what nft 1.0.6, iptables-save 1.8.9 and the kernel print. e2e.doctor_ways
// has the real ones.
#include "tools/knockctl/doctor/ways.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace xk;
using namespace xk::tools;

namespace {

// A rule of nft -j in chain "p" of table "inet a".
std::string rule(const std::string& statements, const std::string& chain = "p", const std::string& table = "a") {
    return R"(,{"rule":{"family":"inet","table":")" + table + R"(","chain":")" + chain + R"(","handle":7,"expr":[)" +
           statements + "]}}";
}
std::string base(const std::string& table, const std::string& chain, const std::string& type, const std::string& hook,
                 int priority) {
    return R"(,{"chain":{"family":"inet","table":")" + table + R"(","name":")" + chain + R"(","type":")" + type +
           R"(","hook":")" + hook + R"(","prio":)" + std::to_string(priority) + R"(,"policy":"accept"}})";
}
Ruleset ruleset_of(const std::string& objects) {
    const std::string json = R"({"nftables":[{"metainfo":{"version":"1.0.6"}})" + objects + "]}";
    auto ruleset = Ruleset::parse(json, "");
    REQUIRE_MESSAGE(ruleset, ruleset.error().message);
    return *std::move(ruleset);
}

std::string text_of(const Redirection& r) {
    std::string text = r.from.text(r.from.ports) + (r.from.v4 ? r.from.v6 ? "" : " v4" : " v6") + " -> ";
    text += r.to.unknown ? "?" : r.to.here ? "here" : r.to.address ? r.to.address->text() : "as it was";
    return text + (r.to.ports ? " " + r.to.ports->text() : "");
}
std::vector<std::string> texts_of(const Course& course) {
    bool complete = true;
    std::vector<std::string> texts;
    for (const Redirection& r : follow(course, complete))
        texts.push_back(text_of(r));
    CHECK(complete);
    return texts;
}

// The one way that one rule makes.
std::vector<std::string> ways(const std::string& statements, const std::string& more = "") {
    return texts_of(
        course_of(ruleset_of(base("a", "p", "nat", "prerouting", -100) + more + rule(statements)), IptablesRules()));
}
using Texts = std::vector<std::string>;

constexpr const char* kPort = R"({"payload":{"protocol":"tcp","field":"dport"}})";
std::string match(const std::string& left, const std::string& right, const std::string& op = "==") {
    return R"({"match":{"op":")" + op + R"(","left":)" + left + R"(,"right":)" + right + "}}";
}
std::string dport(const std::string& right, const std::string& op = "==") { return match(kPort, right, op); }

Texts iptables(const std::string& line, bool v4 = true) {
    return texts_of(
        course_of(parse_iptables("*nat\n:PREROUTING ACCEPT [0:0]\n:WEB - [0:0]\n" + line + "\nCOMMIT\n", v4)));
}

} // namespace

TEST_CASE("a set of ports is what its ranges say") {
    const PortSet some = PortSet::parse("20:25,80", ':');
    CHECK(some.text() == "20-25, 80");
    CHECK((~~some).text() == some.text());
    CHECK((some & PortSet::range(25, 80)).text() == "25, 80");
    CHECK((some | PortSet::range(26, 79)).text() == "20-80");
    CHECK((some & ~some).empty());
    CHECK((some | ~some).is_all());
    CHECK((~PortSet::range(0, 0)).text() == "1-65535");
    CHECK((~PortSet::range(65535, 65535)).text() == "0-65534");
    CHECK(PortSet::parse(":1023", ':').text() == "0-1023");
    CHECK(PortSet::parse("1024:", ':').text() == "1024-65535");
    CHECK(PortSet::parse("ssh", ':').is_all()); // not understood: no narrower than it may be
    CHECK(PortSet::range(5, 4).empty());
}

TEST_CASE("a rule of nft leads from what it compares to what it says") {
    CHECK(ways(dport("2222") + R"(,{"redirect":{"port":22}})") == Texts{"tcp/2222 -> here 22"});
    CHECK(ways(dport("22") + R"(,{"redirect":null})") == Texts{"tcp/22 -> here"});
    CHECK(ways(dport(R"({"set":[2223,{"range":[2230,2240]}]})") + R"(,{"redirect":{"port":22}})") ==
          Texts{"tcp/2223, 2230-2240 -> here 22"});
    CHECK(ways(dport(R"({"set":[22]})", "!=") + R"(,{"redirect":{"port":22}})") ==
          Texts{"tcp/0-21, 23-65535 -> here 22"});
    CHECK(ways(dport("1024", ">=") + R"(,{"redirect":{"port":{"range":[20,30]}}})") ==
          Texts{"tcp/1024-65535 -> here 20-30"});
    CHECK(ways(dport("2226") + R"(,{"dnat":{"family":"ip","addr":"192.0.2.9","port":{"range":[20,30]}}})") ==
          Texts{"tcp/2226 v4 -> 192.0.2.9 20-30"});
    CHECK(ways(dport("2227") + R"(,{"dnat":{"family":"ip6","addr":"2001:db8::9","port":22}})") ==
          Texts{"tcp/2227 v6 -> 2001:db8::9 22"});
    CHECK(ways(match(R"({"payload":{"protocol":"ip","field":"daddr"}})", "\"192.0.2.7\"") +
               R"(,{"dnat":{"family":"ip","addr":{"range":["192.0.2.9","192.0.2.12"]}}})") ==
          Texts{"any port at 192.0.2.7 v4 -> 192.0.2.9-192.0.2.12"});
    CHECK(ways(match(R"({"meta":{"key":"l4proto"}})", R"({"set":["tcp","udp"]})") + R"(,{"redirect":{"port":22}})") ==
          Texts{"tcp+udp/any port -> here 22"});
    CHECK(ways(dport("2222") + R"(,{"mangle":{"key":)" + kPort + R"(,"value":22}})") ==
          Texts{"tcp/2222 -> as it was 22"});
    CHECK(ways(dport("2222") + R"(,{"tproxy":{"port":22}},{"accept":null})") == Texts{"tcp/2222 -> as it was 22"});
}

TEST_CASE("what a rule compares and we do not know narrows nothing") {
    CHECK(ways(dport("\"@nosuch\"") + R"(,{"redirect":{"port":22}})") == Texts{"tcp/any port -> here 22"});
    CHECK(ways(R"({"match":{"op":"==","left":{"socket":{"key":"mark"}},"right":7}},{"redirect":{"port":22}})") ==
          Texts{"any port -> here 22"});
    CHECK(ways(R"({"xt":{"type":"match","name":"string"}},{"redirect":{"port":22}})") == Texts{"any port -> here 22"});
    CHECK(ways(dport("2222") + R"(,{"dnat":{"addr":{"jhash":{}}}})") == Texts{"tcp/2222 -> ?"});
    CHECK(ways(dport("2222") + R"(,{"xt":{"type":"target","name":"REDIRECT"}})") == Texts{"tcp/2222 -> ?"});
    // Nothing comes from outside that way.
    CHECK(ways(match(R"({"meta":{"key":"iifname"}})", "\"lo\"") + R"(,{"redirect":{"port":22}})").empty());
    CHECK(ways(dport("80") + "," + dport("81") + R"(,{"redirect":{"port":22}})").empty());
}

TEST_CASE("a very large set narrows nothing, and takes no time") {
    std::string elements = "0";
    for (int i = 1; i < 30000; ++i)
        elements += "," + std::to_string(i * 2);
    CHECK(ways(dport(R"({"set":[)" + elements + "]}") + R"(,{"redirect":{"port":22}})") ==
          Texts{"tcp/any port -> here 22"});
}

TEST_CASE("each element of a map is a way of its own") {
    const std::string map =
        R"(,{"map":{"family":"inet","name":"m","table":"a","type":"inet_service","map":"ipv4_addr . inet_service",)"
        R"("elem":[[2023,{"concat":["192.0.2.9",22]}],[{"range":[3000,3010]},{"concat":["192.0.2.8",80]}]]}})";
    const std::string by_map = R"({"dnat":{"family":"ip","addr":{"map":{"key":)" + std::string(kPort) + R"(,"data":)";
    CHECK(ways(by_map + R"("@m"}}}})", map) ==
          Texts{"tcp/2023 v4 -> 192.0.2.9 22", "tcp/3000-3010 v4 -> 192.0.2.8 80"});
    CHECK(ways(by_map + R"("@gone"}}}})").empty());
    CHECK(ways(R"({"redirect":{"port":{"map":{"key":)" + std::string(kPort) +
               R"(,"data":{"set":[[2224,22],[2225,23]]}}}}})") == Texts{"tcp/2224 -> here 22", "tcp/2225 -> here 23"});
    CHECK(ways(R"({"dnat":{"family":"ip","addr":{"map":{"key":{"numgen":{"mode":"inc","mod":2,"offset":0}},)"
               R"("data":{"set":[[0,"192.0.2.9"],[1,"192.0.2.10"]]}}}}})") ==
          Texts{"any port v4 -> 192.0.2.9", "any port v4 -> 192.0.2.10"});
}

TEST_CASE("jumps narrow, and circles of them end") {
    const std::string chains = R"(,{"chain":{"family":"inet","table":"a","name":"x"}})";
    CHECK(ways(R"({"vmap":{"key":)" + std::string(kPort) +
                   R"(,"data":{"set":[[5555,{"jump":{"target":"x"}}],[5556,{"accept":null}]]}}})",
               chains + rule(R"({"redirect":{"port":22}})", "x")) == Texts{"tcp/5555 -> here 22"});
    bool complete = true;
    const Ruleset circle =
        ruleset_of(base("a", "p", "nat", "prerouting", -100) + chains + rule(R"({"jump":{"target":"x"}})") +
                   rule(R"({"jump":{"target":"x"}})", "x") + rule(R"({"jump":{"target":"x"}})", "x"));
    CHECK(follow(course_of(circle, IptablesRules()), complete).empty());
    CHECK_FALSE(complete);
}

TEST_CASE("a rule of iptables leads where its words say") {
    CHECK(iptables("-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22") ==
          Texts{"tcp/2222 v4 -> here 22"});
    CHECK(iptables("-A PREROUTING ! -i lo -p tcp -m multiport ! --dports 3000:3010,4000 -j "
                   "REDIRECT --to-ports 22") == Texts{"tcp/0-2999, 3011-3999, 4001-65535 v4 -> here 22"});
    CHECK(iptables("-A PREROUTING -d 198.51.100.1/32 -p tcp -m tcp --dport 80 -j DNAT "
                   "--to-destination 10.0.0.2-10.0.0.5:20-30") ==
          Texts{"tcp/80 at 198.51.100.1 v4 -> 10.0.0.2-10.0.0.5 20-30"});
    CHECK(iptables("-A PREROUTING -p tcp -j DNAT --to-destination [2001:db8::9]:22", false) ==
          Texts{"tcp/any port v6 -> 2001:db8::9 22"});
    CHECK(iptables("-A PREROUTING -p tcp -j DNAT --to-destination 2001:db8::9", false) ==
          Texts{"tcp/any port v6 -> 2001:db8::9"});
    CHECK(iptables("-A PREROUTING -j DNAT --to-destination :22") == Texts{"any port v4 -> as it was 22"});
    CHECK(iptables("-A PREROUTING -d 192.0.2.0/24 -j NETMAP --to 10.0.0.0/24") ==
          Texts{"any port at 192.0.2.0/24 v4 -> 10.0.0.0/24"});
    CHECK(iptables("-A PREROUTING -p tcp -m tcp --dport 80 -j WEB\n"
                   "-A WEB -m comment --comment \"-p udp --dport 9 -j REDIRECT\" -j DNAT "
                   "--to-destination 10.0.0.2:22") == Texts{"tcp/80 v4 -> 10.0.0.2 22"});
    CHECK(iptables("-A PREROUTING -p tcp -j ACCEPT\n-A PREROUTING -p icmp -j REDIRECT").empty());
    CHECK(iptables("-A PREROUTING -j DNAT --to-destination").size() == 1); // cut off: no crash
    CHECK(iptables("-A PREROUTING -j DNAT --to-destination [").size() == 1);
    CHECK(iptables("-A PREROUTING -j").empty());
}

TEST_CASE("IPVS leads from its services to its servers") {
    const auto found =
        parse_ipvs("IP Virtual Server version 1.2.1 (size=4096)\n"
                   "Prot LocalAddress:Port Scheduler Flags\n"
                   "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
                   "TCP  C6336401:08AE wlc  \n"
                   "  -> CB007107:0016      Masq    1      0          0         \n"
                   "UDP  [20010db8000000000000000000000001]:0035 rr  \n"
                   "  -> [20010db8000000000000000000000009]:0036      Route   1      0          0         \n"
                   "FWM  00000001 wlc  \n"
                   "  -> 7F000001:0016      Masq    1      0          0         \n"
                   "  -> nonsense\n");
    Texts texts;
    for (const Redirection& r : found)
        texts.push_back(text_of(r));
    CHECK(texts == Texts{"tcp/2222 at 198.51.100.1 -> 203.0.113.7 22", "udp/53 at 2001:db8::1 -> 2001:db8::9",
                         "any port -> 127.0.0.1 22"});
}

namespace {

// A host 198.51.100.1 with ssh, and a host behind it.
struct Host {
    config::Config config;
    std::set<Address> addresses = {Address::v4(198, 51, 100, 1)};

    Host() {
        config.interfaces = {"eth0"};
        authz::Service ssh, nas;
        ssh.name = authz::Name("ssh");
        nas.name = authz::Name("nas");
        for (authz::Service* service : {&ssh, &nas}) {
            service->port_count = 1;
            service->ports[0] = {IpProtocol::tcp, 22, 22};
        }
        nas.target4 = Address::v4(203, 0, 113, 7);
        config.policy.services = {ssh, nas};
    }
    std::vector<std::string> findings(const std::string& objects, const Ways& more = {}) const {
        const Ruleset ruleset = ruleset_of(objects);
        Ways ways = more;
        for (const Redirection& r : follow(course_of(ruleset, IptablesRules()), ways.complete))
            ways.redirections.push_back(r);
        Findings findings;
        check_ways({config, ruleset, addresses}, ways, findings);
        std::vector<std::string> texts;
        for (const Finding& finding : findings)
            texts.push_back((finding.severity == Severity::ok       ? "ok "
                             : finding.severity == Severity::advice ? "advice "
                                                                    : "problem ") +
                            finding.message);
        return texts;
    }
};

bool has(const std::vector<std::string>& texts, const std::string& begin, const std::string& part) {
    return std::ranges::any_of(texts,
                               [&](const std::string& t) { return t.starts_with(begin) && t.find(part) != t.npos; });
}

// A table that looks where packets are delivered, and where they go on.
std::string ruleset(int priority = -150) {
    const std::string drop = dport("22") + R"(,{"drop":null})";
    return base("xknock", "input", "filter", "input", priority) +
           base("xknock", "forward", "filter", "forward", priority) + rule(drop, "input", "xknock") +
           rule(drop, "forward", "xknock");
}
const std::string kTranslation = base("a", "p", "nat", "prerouting", -100) +
                                 rule(dport("2222") + R"(,{"redirect":{"port":22}})") +
                                 rule(dport("2223") + R"(,{"dnat":{"family":"ip","addr":"203.0.113.7","port":22}})");

} // namespace

TEST_CASE("a way is shut where some chain behind it drops what it leads to") {
    const Host host;
    const auto open = host.findings(kTranslation);
    CHECK(has(open, "problem tcp/2222 leads to tcp/22 (ssh)",
              "in chain p of table inet a (handle 7): open to strangers"));
    CHECK(has(open, "problem tcp/2223 leads to tcp/22 of 203.0.113.7 (nas)", "open to strangers (IPv4, eth0)"));
    const auto shut = host.findings(kTranslation + ruleset());
    CHECK(has(shut, "ok tcp/2222 leads to tcp/22 (ssh)", "shut without a grant"));
    CHECK(has(shut, "ok tcp/2223 leads to tcp/22 of 203.0.113.7 (nas)", "shut without a grant"));
    CHECK(shut.size() == 2);
    CHECK(host.findings(ruleset()) == Texts{"ok no rule, route or table leads to a service's port from elsewhere"});
}

TEST_CASE("what a rule before the translation drops does not get there") {
    const Host host;
    CHECK(has(host.findings(kTranslation + base("b", "early", "filter", "prerouting", -300) +
                            rule(dport("2222") + R"(,{"drop":null})", "early", "b")),
              "ok tcp/2222 leads to tcp/22 (ssh)", "shut without a grant"));
    CHECK(has(host.findings(kTranslation + base("b", "late", "filter", "prerouting", 0) +
                            rule(dport("2222") + R"(,{"drop":null})", "late", "b")),
              "problem tcp/2222 leads to tcp/22 (ssh)", "open to strangers"));
}

TEST_CASE("what cannot be known of a rule that shuts a way is said") {
    const Host host;
    const std::string doubt = base("b", "in", "filter", "input", 0) +
                              rule(match(R"({"meta":{"key":"mark"}})", "7") + R"(,{"accept":null})", "in", "b") +
                              rule(R"({"drop":null})", "in", "b");
    CHECK(has(host.findings(kTranslation + doubt), "advice tcp/2222 leads to tcp/22 (ssh)",
              "strangers may get in, depending on"));
}

TEST_CASE("IPVS, which works at hook input, is past a chain of a lower priority") {
    const Host host;
    Ways ways;
    ways.redirections = parse_ipvs("TCP  C6336401:08AE wlc\n  -> 7F000001:0016      Masq    1      0          0\n"
                                   "  -> CB007107:0016      Masq    1      0          0\n");
    CHECK(has(host.findings(ruleset(), ways), "problem tcp/2222 at 198.51.100.1 leads to tcp/22 (ssh)",
              "in IPVS: open to strangers"));
    CHECK(has(host.findings(ruleset(200), ways), "ok tcp/2222 at 198.51.100.1 leads to tcp/22 (ssh)",
              "shut without a grant"));
    // It sends to other hosts by hook output.
    CHECK(has(host.findings(ruleset(200), ways),
              "problem tcp/2222 at 198.51.100.1 leads to tcp/22 of 203.0.113.7 (nas)", "open"));
    const std::string output =
        base("xknock", "output", "filter", "output", 0) + rule(dport("22") + R"(,{"drop":null})", "output", "xknock");
    CHECK(has(host.findings(output, ways), "ok tcp/2222 at 198.51.100.1 leads to tcp/22 of 203.0.113.7 (nas)",
              "shut without a grant"));
    ways.redirections = parse_ipvs("TCP  C6336401:0016 wlc\n  -> CB007107:0016      Masq    1      0          0\n");
    CHECK(
        has(host.findings(ruleset(), ways), "ok tcp/22 at 198.51.100.1 leads to tcp/22 of 203.0.113.7 (nas)", "shut"));
}

TEST_CASE("in mode external the admin's own rules are what shuts a way") {
    Host host;
    host.config.gate_mode = config::GateMode::external;
    host.config.external = {"mine", "knock4", "knock6"};
    const std::string granted =
        match(R"({"payload":{"protocol":"ip","field":"saddr"}})", "\"@knock4\"") + R"(,{"accept":null})";
    const auto mine = [&](const std::string& hook) {
        return R"(,{"set":{"family":"inet","table":"mine","name":"knock4","type":"ipv4_addr"}})" +
               base("mine", "c", "filter", hook, hook == "input" ? 0 : -300) + rule(granted, "c", "mine") +
               rule(dport("22") + R"(,{"drop":null})", "c", "mine");
    };
    CHECK(has(host.findings(kTranslation + mine("prerouting")), "problem tcp/2222 leads to tcp/22 (ssh)",
              "open to strangers"));
    CHECK(
        has(host.findings(kTranslation + mine("input")), "ok tcp/2222 leads to tcp/22 (ssh)", "shut without a grant"));
}

TEST_CASE("a VRF and another routing table are ways") {
    const Host host;
    Ways ways;
    ways.routes.vrfs = {{"eth1", "blue"}};
    ways.routes.locals = {{*AddressRange::parse("203.0.113.0/24"), 100, "fwmark 0x1"}};
    const std::string arrives = base("xknock", "prerouting", "filter", "prerouting", -150) +
                                rule(match(R"({"fib":{"result":"type","flags":["daddr"]}})", "\"local\"") + "," +
                                         dport("22") + R"(,{"drop":null})",
                                     "prerouting", "xknock");
    const auto open = host.findings(arrives, ways);
    CHECK(has(open, "problem eth1 belongs to a VRF (blue)", "open to strangers (IPv4, eth1)"));
    CHECK(has(open, "ok eth1 belongs to a VRF (blue)", "shut without a grant (IPv6, eth1)"));
    CHECK(has(open,
              "problem what is for 203.0.113.0/24, which routing table 100 (ip rule: fwmark 0x1) "
              "delivers here",
              "open"));
    const auto shut = host.findings(arrives + ruleset(), ways);
    CHECK(has(shut, "ok eth1 belongs to a VRF (blue)", "shut without a grant (IPv4 and IPv6, eth1)"));
    CHECK(has(shut, "ok what is for 203.0.113.0/24", "shut without a grant"));
}
