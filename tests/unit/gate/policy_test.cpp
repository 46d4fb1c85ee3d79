// SPDX-License-Identifier: MIT
#include "court.h"

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
    for (int i = 0; i <= static_cast<int>(RequestFault::reserved); ++i) {
        const auto fault = static_cast<RequestFault>(i);
        CHECK(faults.insert(reject_of(fault)).second);
        CHECK(name_of(reject_of(fault)) == xk::name_of(fault));
    }
}

TEST_CASE("a whole service or one of its endpoints is found, for those who may") {
    const Policy p = Court::make_policy();
    const auto web = find_target(p, p.credentials[kHmac], service_id("web"), {});
    REQUIRE(web.has_value());
    CHECK(web->endpoints.size() == 2);
    const auto one = find_target(p, p.credentials[kHmac], 0, {IpProtocol::tcp, 443});
    REQUIRE(one.has_value());
    CHECK(one->endpoints == std::vector<Endpoint>{{IpProtocol::tcp, 443}});
    CHECK(one->service == 1);
    CHECK_FALSE(find_target(p, p.credentials[kPlain], service_id("web"), {}).has_value());
    CHECK_FALSE(find_target(p, p.credentials[kHmac], 0, {IpProtocol::tcp, 8080}).has_value());
}
