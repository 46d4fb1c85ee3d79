// SPDX-License-Identifier: MIT
//
// The verb status: what can be known without a knock.
#include "client/attempts.h"
#include "client/chosen.h"
#include "client/story.h"
#include "client/verbs.h"
#include "client/ways.h"
#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

namespace xk::client {
namespace {

using Json = nlohmann::ordered_json;

struct AddressStatus {
    Place address;
    std::string fault; // why no knock can leave for it
    Address source;
    std::optional<Address> seen; // by the STUN server, where it is another one
    bool is_behind_nat = false;
    std::optional<bool> answers; // nothing where the port was not tried
};

struct Status {
    Profile profile;
    std::string port; // of the service: tcp/22
    std::vector<AddressStatus> addresses;
    ClockFacts clock;
};

AddressStatus status_of(const Profile& profile, const Way& way, const std::vector<Endpoint>& endpoints) {
    AddressStatus status;
    status.address = way.target;
    if (!way.knock) {
        status.fault = way.happened.not_knocked;
        return status;
    }
    status.source = way.knock->local();
    status.is_behind_nat = way.knock->mode() == AddressMode::source;
    if (way.seen && *way.seen != status.source)
        status.seen = way.seen;
    if (endpoints.empty() || endpoints.front().protocol != IpProtocol::tcp)
        return status;
    Attempts attempts;
    attempts.begin(way.target, endpoints.front().port, status.source);
    status.answers = attempts.wait(std::max(profile.probe, std::chrono::milliseconds(250))).has_value();
    return status;
}

// With what can be known so far where it fails.
Result<void> find_out(const Arguments& a, Status& status) {
    status.clock = read_clock_facts(status.profile);
    auto spec = request_spec_of(a);
    if (!spec)
        return spec.error();
    std::vector<Endpoint> endpoints;
    // Without a service of the command line that of the profile is used, if it has a good one.
    if (auto chosen = choose_service(a, status.profile, *spec))
        endpoints = *chosen;
    else if (!a.service.empty())
        return chosen.error();
    if (!endpoints.empty())
        status.port = endpoints.front().text();
    const std::string host = host_of(a, status.profile);
    auto ways = find_ways(status.profile, *spec, host);
    if (!ways)
        return ways.error();
    prepare_knocks(status.profile, *spec, host, *ways);
    learn_our_address(status.profile, *ways, Story(a.verbose));
    for (const Way& way : *ways)
        status.addresses.push_back(status_of(status.profile, way, endpoints));
    return {};
}

void print(const Status& status) {
    const Profile& profile = status.profile;
    std::printf("profile     %s (%s)\n", printable(profile.name).c_str(), as_line(profile.file).c_str());
    std::printf("factor      %s%s\n", std::string(name_of(profile.factor)).c_str(),
                profile.is_automatic() ? "" : ", asked for on the terminal");
    std::printf("clock       %s\n", clock_words(status.clock).c_str());
    for (const AddressStatus& one : status.addresses) {
        if (!one.fault.empty()) {
            std::printf("address     %s: %s\n", one.address.text().c_str(), as_line(one.fault).c_str());
            continue;
        }
        const std::string seen = one.seen ? ", seen from outside as " + one.seen->text() : std::string();
        std::printf("address     %s from %s%s%s\n", one.address.text().c_str(), one.source.text().c_str(), seen.c_str(),
                    one.is_behind_nat ? ", taken for one behind NAT" : "");
        if (one.answers)
            std::printf("port        %s %s\n", status.port.c_str(),
                        *one.answers ? "answers" : "is silent: closed, or nobody there");
    }
}

void print_json(const Status& status) {
    Json addresses = Json::array();
    for (const AddressStatus& one : status.addresses) {
        Json entry = {{"address", one.address.text()}};
        if (!one.fault.empty())
            entry["fault"] = as_line(one.fault);
        else
            entry.update(Json{{"source", one.source.text()}, {"behind_nat", one.is_behind_nat}});
        if (one.seen)
            entry["seen"] = one.seen->text();
        if (one.answers)
            entry["answers"] = *one.answers;
        addresses.push_back(std::move(entry));
    }
    Json json = {
        {"profile", printable(status.profile.name)},          {"file", as_line(status.profile.file)},
        {"factor", name_of(status.profile.factor)},           {"asks", !status.profile.is_automatic()},
        {"clock_synchronised", status.clock.is_synchronised}, {"clock_doubtful", is_clock_doubtful(status.clock)}};
    if (!status.port.empty())
        json["port"] = status.port;
    json["addresses"] = std::move(addresses);
    std::printf("%s\n", json.dump(2).c_str());
}

} // namespace

int run_status(const Arguments& a) {
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    Status status;
    status.profile = *std::move(profile);
    auto done = find_out(a, status);
    if (!done && done.error().exit == Exit::usage)
        return fail(done.error());
    a.json ? print_json(status) : print(status);
    return done ? 0 : fail(done.error());
}

} // namespace xk::client
