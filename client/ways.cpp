// SPDX-License-Identifier: MIT
#include "client/ways.h"

#include "client/last_family.h"
#include "client/nat64.h"
#include "protocol/base/quote.h"

#include <sodium.h>

#include <algorithm>
#include <map>

namespace xk::client {
namespace {

// The answer to a question for the network's NAT64 prefix is worth no more of a person's time.
constexpr std::chrono::milliseconds kDiscovery{250};

// The address to knock at for a connection to `target`: itself, or the server's address of the same family.
std::optional<Place> knock_place_for(const Place& target, const std::vector<Place>& servers) {
    if (std::find(servers.begin(), servers.end(), target) != servers.end())
        return target;
    const auto same =
        std::find_if(servers.begin(), servers.end(), [&](const Place& a) { return a.is_v4() == target.is_v4(); });
    return same == servers.end() ? std::nullopt : std::optional(*same);
}

// Asks for the prefix only where nothing else says it: an IPv6 address of ours would be named, and the host has no IPv4
// address that would show which of its others a DNS64 made.
void ask_for_prefix(const Profile& profile, std::vector<Place>& places) {
    const auto is_plain_v6 = [](const Place& p) { return !p.is_v4() && !p.nat64 && p.is_global(); };
    if (profile.by_handshake() || profile.nat != NatPolicy::automatic ||
        !std::all_of(places.begin(), places.end(), is_plain_v6))
        return;
    const auto prefixes = discover_nat64(kDiscovery);
    for (Place& place : places)
        place.nat64 = std::any_of(prefixes.begin(), prefixes.end(), [&](const Prefix& p) { return p.contains(place); });
}

// Whether the server may see a connection come from there: behind a NAT64 it sees an IPv4 address.
bool is_source_at(const Place& server, const std::optional<Address>& address) {
    return address && address->is_grantable() && address->is_v4() == (server.is_v4() || server.nat64);
}

} // namespace

bool goes_elsewhere(const Profile& profile, const std::string& host) {
    return !profile.server.empty() && profile.server != host;
}

Result<std::vector<Way>> find_ways(const Profile& profile, const RequestSpec& spec, const std::string& host,
                                   const LookUp& look_up) {
    auto targets = look_up(host, profile.family);
    if (!targets)
        return targets.error();
    if (spec.source) // which has one family
        std::erase_if(*targets, [&](const Place& p) { return p.is_v4() != spec.source->is_v4(); });
    if (targets->empty())
        return Error{in_quotes(host) + " has no address of the family of " + spec.source->text(), {}, Exit::usage};
    put_last_family_first(profile, *targets);
    std::vector<Way> ways;
    for (const Place& target : *targets) {
        Way way;
        way.target = target;
        way.happened.address = target.text();
        ways.push_back(std::move(way));
    }
    return ways;
}

wire::RequestId new_request_id() {
    wire::RequestId id;
    randombytes_buf(id.data(), id.size());
    return id;
}

Result<Knock> prepare_knock(const Profile& profile, const RequestSpec& spec, const Place& server) {
    if (server.is_link_local())
        return Error{"no server opens a port for a link-local address", {}};
    return Knock::prepare(profile, spec, server);
}

void prepare_knocks(const Profile& profile, RequestSpec spec, const std::string& host, std::vector<Way>& ways,
                    const LookUp& look_up) {
    std::vector<Place> servers;
    for (const Way& way : ways)
        servers.push_back(way.target);
    std::optional<Error> failure;
    if (goes_elsewhere(profile, host)) {
        auto others = look_up(profile.server, profile.family);
        servers = others ? *others : std::vector<Place>{};
        if (!others)
            failure = others.error();
    }
    ask_for_prefix(profile, servers);
    if (has_codes(profile.factor))
        spec.id = new_request_id();
    for (Way& way : ways) {
        const Address target = way.target;
        way.knock.reset();
        const auto server = knock_place_for(way.target, servers);
        auto knock =
            failure   ? Result<Knock>(*failure)
            : !server ? Result<Knock>(Error{
                            "no address of " + printable(profile.server) + " is of the family of " + target.text(), {}})
                      : prepare_knock(profile, for_target(profile, spec, target), *server);
        if (knock)
            way.knock = *std::move(knock);
        else
            way.happened.not_knocked = as_line(knock.error().message);
        way.happened.source_mode = way.knock && way.knock->mode() == AddressMode::source;
    }
}

void learn_our_address(const Profile& profile, std::vector<Way>& ways, const Story& story, const LookUp& look_up) {
    if (profile.stun.empty() || profile.by_handshake() || profile.nat != NatPolicy::automatic)
        return;
    std::map<Address, std::optional<Address>> asked; // by our own address: the ways of one family share it
    for (Way& way : ways) {
        if (!way.knock || way.knock->mode() != AddressMode::source)
            continue;
        const Address& local = way.knock->local();
        if (!way.seen && !asked.contains(local)) {
            const auto seen = ask_stun(profile.stun, local, kStunPatience, look_up);
            asked[local] = seen;
            story.say("STUN server " + printable(profile.stun) + " from " + local.text() + ": " +
                      (seen ? "we come from " + seen->text() : "no answer"));
        }
        if (!way.seen && is_source_at(way.knock->server(), asked[local]))
            way.seen = asked[local];
        if (way.seen)
            way.knock->name_address(*way.seen);
        way.happened.source_mode = way.knock->mode() == AddressMode::source;
    }
}

Error no_way(const std::vector<Way>& ways) {
    const bool local = std::all_of(ways.begin(), ways.end(), [](const Way& w) { return w.target.is_link_local(); });
    std::string message = "no knock can be sent";
    for (const Way& way : ways)
        message += "\n  " + way.happened.address + ": " + way.happened.not_knocked;
    return Error{message, local ? "use another address of the server, of its network or of the internet" : ""};
}

RequestSpec for_target(const Profile& profile, RequestSpec spec, const Address& target) {
    if (profile.gateway && spec.service == 0 && spec.target == Address{} && spec.action != Action::close_all)
        spec.target = target;
    return spec;
}

} // namespace xk::client
