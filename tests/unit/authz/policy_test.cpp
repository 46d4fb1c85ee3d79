// SPDX-License-Identifier: MIT
#include "fixtures.h"

#include <set>

using namespace xk;
using namespace xk::test;

TEST_CASE("a name keeps its text") {
    CHECK(Name("anna").view() == "anna");
    CHECK(Name("x2345678901234567890123456789012").view().size() == 32);
    CHECK(Name().view().empty());
}

TEST_CASE("every reason of refusal has a name of its own") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < kRejects; ++i)
        CHECK(names.insert(name_of(static_cast<Reject>(i))).second);
    CHECK(name_of(Reject::count_) == "?");
    std::set<Reject> faults;
    for (int i = 0; i <= static_cast<int>(RequestFault::target); ++i) {
        const auto fault = static_cast<RequestFault>(i);
        CHECK(faults.insert(reject_of(fault)).second);
        CHECK(name_of(reject_of(fault)) == xk::name_of(fault));
    }
}

namespace {

constexpr Address kAny = {};
const Address kSource = Address::v4(192, 0, 2, 7), kSource6 = address("2001:db8::7");
const Address kTarget = Address::v4(198, 51, 100, 7), kTarget6 = address("2001:db8:7::7");

std::vector<Target> find(const Policy& p, const char* service, const Address& source = kSource) {
    return find_targets(p, p.credentials[kHmac], {service_id(service), {source, {}, {}}});
}
std::vector<Target> find(const Policy& p, const Address& target, const Endpoint& endpoint) {
    return find_targets(p, p.credentials[kHmac], {0, {target == kTarget6 ? kSource6 : kSource, target, endpoint}});
}
constexpr Endpoint tcp(std::uint16_t port) { return {IpProtocol::tcp, port}; }

} // namespace

TEST_CASE("a whole service or one of its endpoints is found, for those who may") {
    const Policy p = Setup::make_policy();
    const auto web = find(p, "web");
    REQUIRE(web.size() == 1);
    CHECK(web[0].pinholes == std::vector<Pinhole>{{kSource, {}, tcp(80)}, {kSource, {}, tcp(443)}});
    const auto one = find(p, kAny, tcp(443));
    REQUIRE(one.size() == 1);
    CHECK(one[0].pinholes == std::vector<Pinhole>{{kSource, {}, tcp(443)}});
    CHECK(one[0].service == 1);
    CHECK(find_targets(p, p.credentials[kPlain], {service_id("web"), {kSource, {}, {}}}).empty());
    CHECK(find(p, kAny, tcp(8080)).empty());
    CHECK(find(p, kTarget, tcp(443)).empty());
}

TEST_CASE("all services are those that the user may, and that have a grant for him") {
    Policy p = Setup::make_policy();
    CHECK(find(p, "all").size() == 2);
    CHECK(find_targets(p, p.credentials[kPlain], {service_id("all"), {kSource, {}, {}}}).size() == 1);
    p.services[1].target6 = kTarget6;
    CHECK(find(p, "all").size() == 1);
    CHECK(find(p, "all", kSource6).size() == 2);
}

TEST_CASE("any port of a range means the whole of it") {
    Policy p = Setup::make_policy();
    p.services[1].ports[1] = {IpProtocol::tcp, 6000, 6100};
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{6000, 6001, 6100})
        CHECK(find(p, kAny, tcp(port)).at(0).pinholes == std::vector<Pinhole>{{kSource, {}, tcp(6000)}});
    CHECK(find(p, kAny, tcp(6101)).empty());
    CHECK(find(p, kAny, {IpProtocol::udp, 6000}).empty());
}

TEST_CASE("a service behind this host has the target of the source's family, or its published") {
    Policy p = Setup::make_policy();
    Service& nas = p.services[1];
    nas.target4 = kTarget;
    CHECK(find(p, "web").at(0).pinholes ==
          std::vector<Pinhole>{{kSource, kTarget, tcp(80)}, {kSource, kTarget, tcp(443)}});
    CHECK(find(p, "web", kSource6).empty());
    CHECK(find(p, kTarget, tcp(443)).at(0).pinholes == std::vector<Pinhole>{{kSource, kTarget, tcp(443)}});
    CHECK(find(p, kAny, tcp(443)).empty());
    CHECK(find(p, Address::v4(198, 51, 100, 8), tcp(443)).empty());
    nas.target6 = kTarget6;
    CHECK(find(p, kTarget6, tcp(443)).size() == 1);
    nas.port_count = 1;
    nas.published = tcp(8080);
    CHECK(find(p, "web").at(0).pinholes == std::vector<Pinhole>{{kSource, {}, tcp(8080)}});
    CHECK(find(p, kAny, tcp(8080)).size() == 1);
    CHECK(find(p, kTarget, tcp(80)).empty());
}

TEST_CASE("a lifetime is what was asked, else the user's, else the service's; no more than either allows") {
    Credential c;
    Service s;
    CHECK(grant_lifetime(c, s, 0) == 30s);
    CHECK(grant_lifetime(c, s, 1) == 1s);
    CHECK(grant_lifetime(c, s, UINT32_MAX) == 3600s);
    s.lifetime = 7200s;
    CHECK(grant_lifetime(c, s, 0) == 7200s);
    CHECK(grant_lifetime(c, s, UINT32_MAX) == 7200s);
    c.lifetime = 60s;
    CHECK(grant_lifetime(c, s, 0) == 60s);
    CHECK(grant_lifetime(c, s, UINT32_MAX) == 3600s);
    c.max_lifetime = 600s;
    s.max_lifetime = 300s;
    CHECK(grant_lifetime(c, s, UINT32_MAX) == 300s);
    s.max_lifetime = 900s;
    CHECK(grant_lifetime(c, s, UINT32_MAX) == 600s);
    s.max_lifetime = 10s;
    CHECK(grant_lifetime(c, s, 0) == 10s);
}

TEST_CASE("who comes from a known address and opens for an unknown one is refused") {
    Policy p = Setup::make_policy();
    Credential& bob = p.credentials[kPlain];
    bob.binding = Binding::explicit_;
    bob.explicit_networks.networks[bob.explicit_networks.count++] = Prefix::parse("198.51.100.0/24").value();
    GrantContext context{.policy = p, .credential = bob};
    context.source = kSource;
    context.mode = AddressMode::bound;
    CHECK(may_hold(context, kOfAddress).reason == Reject::source);
    context.mode = AddressMode::delegated;
    CHECK(may_hold(context, kOfAddress).reason == Reject::delegation);
    context.address = kTarget;
    CHECK(may_hold(context, kOfAddress).is_allowed());
    context.address = Address::v4(203, 0, 113, 7);
    CHECK(may_hold(context, kOfAddress).reason == Reject::delegation);
    context.mode = AddressMode::bound;
    CHECK(may_hold(context, kOfAddress).reason == Reject::source);
}

TEST_CASE("a credential is found by its id, with the index and without") {
    Policy p = Setup::make_policy();
    p.make_index();
    const auto all_are_found = [&] {
        for (std::size_t i = 0; i < p.credentials.size(); ++i)
            CHECK(p.find_credential(p.credentials[i].id) == i);
        CHECK_FALSE(p.find_credential({9, 9, 9}));
        CHECK_FALSE(p.find_credential(kOperator));
    };
    all_are_found();
    p.credentials.pop_back(); // an index of before does not count
    all_are_found();
    p.make_index();
    all_are_found();
    p.credentials.clear();
    p.make_index();
    all_are_found();
}
