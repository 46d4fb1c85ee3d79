// SPDX-License-Identifier: MIT
#include "client/sequence_verb.h"

#include "client/chosen.h"
#include "client/clock_check.h"
#include "client/last_use.h"
#include "client/sequence_plan.h"
#include "client/sequence_sender.h"
#include "client/unwatched.h"
#include "client/verbs.h"
#include "protocol/base/quote.h"
#include "protocol/sequence.h"

#include <algorithm>
#include <cstdio>
#include <thread>

namespace xk::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatienceForPort{3'000};

// The ports of the slot in which something that takes `time` can end.
struct SlotPorts {
    std::vector<std::uint16_t> ports;
    WallTime end; // of the slot
};

std::size_t count_of(const Arguments& a, const Profile& profile) {
    return a.ports != 0 ? a.ports : profile.sequence_ports;
}

milliseconds pause_of(const Arguments& a) {
    return a.pause != 0 ? milliseconds(a.pause) : a.print ? kPrintedPause : kSequencePause;
}

// Waits for the next slot where the present one ends too soon. The clock may be set meanwhile, so it is read again.
SlotPorts next_ports(const Profile& profile, std::size_t count, milliseconds time, const Story& story) {
    for (;;) {
        const WallTime now = Now::read().wall;
        const WallTime start = sequence_start(now, time);
        if (start == now) {
            const Slot slot = slot_of(now);
            return {sequence::strong_ports(profile.keys->sequence, slot, count), slot_end(slot)};
        }
        const auto wait = std::chrono::ceil<milliseconds>(start - now);
        story.say("too little is left of this slot: waiting " + std::to_string(wait.count()) + " ms for the next one");
        std::this_thread::sleep_for(wait);
    }
}

// The port that shows whether the sequence opened it, as for open. Nothing where no service is named, because the
// server alone says what a sequence opens.
Result<std::optional<Endpoint>> port_to_try(const Arguments& a, const Profile& profile, RequestSpec& spec) {
    if (a.service.empty() && profile.service.empty())
        return std::optional<Endpoint>();
    auto endpoints = choose_service(a, profile, spec);
    if (!endpoints)
        return endpoints.error();
    const bool can_try = !a.no_wait && !endpoints->empty() && endpoints->front().protocol == IpProtocol::tcp;
    return can_try ? std::optional(endpoints->front()) : std::nullopt;
}

// The first way on which a packet can leave. One way, because a sequence counts once: of two families only the one
// whose last port arrives first would be open, and nobody could say which.
Result<std::vector<Way>> ways_of(const Profile& profile, const RequestSpec& spec, const std::string& host,
                                 bool must_connect) {
    auto ways = must_connect ? find_ways(profile, spec, host) : find_unwatched_ways(profile, spec, host);
    if (!ways)
        return ways;
    prepare_knocks(profile, spec, host, *ways);
    if (std::none_of(ways->begin(), ways->end(), [](const Way& way) { return way.knock.has_value(); }))
        return no_way(*ways);
    auto taken = unwatched_ways(*std::move(ways), spec, profile.gateway);
    taken.erase(taken.begin() + 1, taken.end());
    return taken;
}

Error not_open_by_sequence(const Arguments& a, const Profile& profile, const std::string& host, std::uint16_t port,
                           const std::vector<Way>& ways) {
    Known known{.host = host,
                .port = port,
                .addresses = {},
                .person = false,
                .has_codes = false,
                .is_sequence = true,
                .clock = read_clock_facts(profile)};
    for (const Way& way : ways) {
        known.addresses.push_back(way.happened);
        known.addresses.back().source_mode = !a.tcp && !way.knock->local().is_global();
    }
    return not_open(known);
}

int knock_by_sequence(const Arguments& a, const Profile& profile, const RequestSpec& spec,
                      const std::optional<Endpoint>& endpoint) {
    const Story story(a.verbose);
    const std::string host = host_of(a, profile);
    auto ways = ways_of(profile, spec, host, endpoint.has_value());
    if (!ways)
        return fail(ways.error());
    const std::size_t count = count_of(a, profile);
    const milliseconds pause = pause_of(a);
    const auto next = next_ports(profile, count, sequence_length(count, pause) + kRoomBehind, story);
    if (auto sent = send_sequence(*ways, next.ports, pause, a.tcp ? SequenceBy::tcp : SequenceBy::udp, story); !sent)
        return fail(sent.error());
    if (!endpoint) {
        remember_use(profile, kSent);
        std::fprintf(stderr,
                     "knock-client: the ports were sent; a server does not answer, so nobody knows more here\n");
        return 0;
    }
    const auto connected = await_port(*ways, endpoint->port, kPatienceForPort, story);
    remember_use(profile, connected ? kOpened : kFailed);
    if (!connected)
        return fail(not_open_by_sequence(a, profile, host, endpoint->port, *ways));
    std::fprintf(stderr, "knock-client: %s of %s open %.2f ms after the last port\n", endpoint->text().c_str(),
                 connected->address.text().c_str(), static_cast<double>(connected->since_knock.count()) / 1000);
    return 0;
}

// The address for a line that another machine sends: of IPv4 where there is one, because such a machine may have
// nothing else. This one needs no way to it.
Result<Place> place_to_print(const Profile& profile, const std::string& host) {
    auto all = resolve(goes_elsewhere(profile, host) ? profile.server : host, profile.family);
    if (!all)
        return all.error();
    std::erase_if(*all, [](const Place& place) { return place.is_link_local(); });
    if (all->empty())
        return Error{"no server opens a port for a link-local address", {}};
    const auto v4 = std::ranges::find_if(*all, &Place::is_v4);
    return v4 == all->end() ? all->front() : *v4;
}

int print_sequence(const Arguments& a, const Profile& profile) {
    const Story story(a.verbose);
    const auto place = place_to_print(profile, host_of(a, profile));
    if (!place)
        return fail(place.error());
    const std::size_t count = count_of(a, profile);
    const milliseconds pause = pause_of(a);
    const auto next = next_ports(profile, count, std::max(kRoomToType, sequence_length(count, pause)), story);
    std::printf("%s\n", shell_line(*place, next.ports, pause, a.tcp ? SequenceBy::tcp : SequenceBy::udp).c_str());
    if (std::fflush(stdout) != 0)
        return fail(os_error("writing the line"));
    const auto left = std::chrono::floor<std::chrono::seconds>(next.end - Now::read().wall);
    story.say("ports " + ports_text(next.ports));
    story.say("good for " + std::to_string(left.count()) + " s; the server takes them for " +
              std::to_string(kServersGrace.count()) + " s more");
    return 0;
}

Result<std::string> read_code(const Arguments& a) {
    if (a.code != "-")
        return a.code;
    char line[64] = {};
    if (std::fgets(line, sizeof line, stdin) == nullptr)
        return Error{"there is no code on standard input", {}, Exit::usage};
    return std::string(line);
}

// As c-lock's client, which has no profile: a SYN to each port of the first address. The pauses keep them in order.
int knock_by_code(const Arguments& a) {
    const Story story(a.verbose);
    if (!a.service.empty())
        return fail(Error{"with --code no port is tried: name no service", {}, Exit::usage});
    const auto code = read_code(a);
    if (!code)
        return fail(code.error());
    const auto ports = code_ports(*code, a.ports != 0 ? a.ports : sequence::kClockPorts);
    if (!ports)
        return fail(ports.error());
    std::optional<Address> local;
    if (!a.source.empty()) {
        const auto parsed = Address::parse(a.source);
        if (!parsed)
            return fail(Error{in_quotes(a.source) + " is no address", {}, Exit::usage});
        local = *parsed;
    }
    auto places = resolve(a.host, a.family);
    if (!places)
        return fail(places.error());
    if (local)
        std::erase_if(*places, [&](const Place& place) { return place.is_v4() != local->is_v4(); });
    if (places->empty())
        return fail(Error{in_quotes(a.host) + " has no address of this family", {}});
    for (std::size_t i = 0; i < ports->size(); ++i) {
        if (i > 0)
            std::this_thread::sleep_for(pause_of(a));
        if (auto sent = send_syn(places->front(), (*ports)[i], local); !sent)
            return fail(sent.error());
    }
    story.say(std::to_string(ports->size()) + " ports of " + places->front().text() + " knocked at");
    std::fprintf(stderr, "knock-client: the ports were sent; a server does not answer, so nobody knows more here\n");
    return 0;
}

} // namespace

int run_sequence(const Arguments& a) {
    if (!a.code.empty())
        return knock_by_code(a);
    if (a.ports != 0 && a.ports < sequence::kFewestStrongPorts)
        return fail(Error{
            "a sequence has " + std::to_string(sequence::kFewestStrongPorts) + " ports at least", {}, Exit::usage});
    auto profile = profile_for(a);
    if (!profile)
        return fail(profile.error());
    if (auto fits = check_factor(*profile); !fits)
        return fail(fits.error());
    auto spec = request_spec_of(a);
    if (!spec)
        return fail(spec.error());
    const auto endpoint = port_to_try(a, *profile, *spec);
    if (!endpoint)
        return fail(endpoint.error());
    // A sequence names no address of ours, so nothing needs to find out whether it is translated.
    profile->nat = NatPolicy::always;
    return a.print ? print_sequence(a, *profile) : knock_by_sequence(a, *profile, *spec, *endpoint);
}

} // namespace xk::client
