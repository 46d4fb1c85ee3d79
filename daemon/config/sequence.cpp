// SPDX-License-Identifier: MIT
// "sequence" of the main file, and how many devices may use each way of knocking.
#include "daemon/authz/handshakes.h"
#include "daemon/authz/sequences.h"
#include "daemon/config/config.h"
#include "daemon/config/sections.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace xk::config {
using yaml::Section;

namespace {

Result<double> parse_odds(std::string_view text) {
    double odds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), odds);
    if (error != std::errc() || end != text.data() + text.size() || !(odds > 0 && odds < 1))
        return Error{in_quotes(text) + " is no number between 0 and 1, like 1e-6", {}};
    return odds;
}

Result<std::uint16_t> parse_open_port(std::string_view text) {
    const auto port = Endpoint::parse(text);
    if (!port || port->protocol != IpProtocol::tcp)
        return Error{in_quotes(text) + " is not a port of TCP, like tcp/8080", {}};
    return port->port;
}

// What a number in decimal may miss of the same number.
constexpr double kRounding = 1 + 1e-9;

// Two digits, rounded up, so that whoever writes the number down accepts the odds.
std::string odds_text(double odds) {
    char text[32];
    for (double up = odds; std::snprintf(text, sizeof text, "%.1e", up), std::strtod(text, nullptr) * kRounding < odds;)
        up *= 1.01;
    return text;
}

std::string exact_text(double odds) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", odds);
    return text;
}

void read_opens(Section& sequence, const Config& config, ServiceId& id) {
    const auto opens = sequence.scalar("opens");
    if (!opens || opens->value == kAllServices)
        return;
    const auto& services = config.policy.services;
    if (std::ranges::none_of(services, [&](const authz::Service& s) { return s.name.view() == opens->value; }))
        return sequence.faults().add(opens->place, "there is no service " + in_quotes(opens->value));
    id = service_id(opens->value);
}

void read_open_ports(Section& c_lock, std::vector<std::uint16_t>& open) {
    const auto ports = c_lock.scalars("open_ports", yaml::EmptyList::fine);
    if (!ports)
        return;
    if (ports->size() > kMostOpenPorts)
        return c_lock.faults().add(c_lock.place_of_value("open_ports"),
                                   "more than " + std::to_string(kMostOpenPorts) + " ports");
    for (const yaml::Scalar& port : *ports)
        if (const auto number = c_lock.parse_at(port, parse_open_port))
            open.push_back(*number);
}

void check_c_lock(yaml::Faults& faults, const Config& config, std::size_t many) {
    const std::uint32_t attempts = config.c_lock.attempts_per_hour;
    const double odds = authz::clock_guess_odds(many, attempts);
    const double most = config.c_lock.max_guess_odds.value_or(config.max_guess_odds);
    if (odds > most * kRounding)
        faults.add({config.file, 0, 0},
                   "somebody who guesses codes of c-lock, " + std::to_string(attempts) +
                       " in an hour, may open within a day with odds of " + odds_text(odds) + ", and " +
                       (config.c_lock.max_guess_odds ? "c_lock" : "sequence") + ".max_guess_odds is " +
                       exact_text(most),
                   "c_lock: {max_guess_odds: " + odds_text(odds) + "} where you accept that");
}

} // namespace

void read_sequence(Section& main, Config& config) {
    auto sequence = main.section("sequence");
    if (!sequence)
        return;
    authz::SequenceSettings& settings = config.policy.settings.sequence;
    if (const auto ports = sequence->number("ports", sequence::kFewestStrongPorts, sequence::kMostPorts))
        settings.ports = static_cast<std::uint32_t>(*ports);
    read_opens(*sequence, config, settings.opens);
    config.max_guess_odds = sequence->parsed("max_guess_odds", parse_odds).value_or(config.max_guess_odds);
    sequence->finish();
}

void read_c_lock(Section& main, Config& config) {
    auto c_lock = main.section("c_lock");
    if (!c_lock)
        return;
    authz::ClockSettings& settings = config.policy.settings.c_lock;
    if (const auto ports = c_lock->number("ports", sequence::kClockPorts, sequence::kMostPorts))
        settings.ports = static_cast<std::uint32_t>(*ports);
    read_opens(*c_lock, config, settings.opens);
    if (const auto attempts = c_lock->number("attempts_per_hour", 1, 1000))
        config.c_lock.attempts_per_hour = static_cast<std::uint32_t>(*attempts);
    config.c_lock.max_guess_odds = c_lock->parsed("max_guess_odds", parse_odds);
    read_open_ports(*c_lock, config.c_lock.open_ports);
    c_lock->finish();
}

void check_sequences(yaml::Faults& faults, const Config& config) {
    const auto knocks_so = [](const authz::Credential& c) { return c.has_mode(authz::KnockMode::sequence); };
    const auto uses_c_lock = [](const authz::Credential& c) { return c.has_mode(authz::KnockMode::c_lock); };
    const auto count_of = [&](const auto& is_so) {
        return static_cast<std::size_t>(std::ranges::count_if(config.policy.credentials, is_so));
    };
    const std::size_t many = count_of(knocks_so), clocks = count_of(uses_c_lock);
    if (many + clocks > authz::kMostSequences)
        faults.add({config.file, 0, 0},
                   std::to_string(many + clocks) + " devices may knock by sequences of ports, and " +
                       std::to_string(authz::kMostSequences) + " can",
                   "take modes sequence and c-lock from users who do not need them");
    check_c_lock(faults, config, clocks);
    const std::uint32_t ports = config.policy.settings.sequence.ports;
    const double odds = authz::guess_odds(many, ports);
    if (odds > config.max_guess_odds * kRounding)
        faults.add({config.file, 0, 0},
                   "somebody who sends to ports at random may open within a day with odds of " + odds_text(odds) +
                       ", and sequence.max_guess_odds is " + exact_text(config.max_guess_odds),
                   ports < sequence::kMostPorts ? "sequence.ports: " + std::to_string(ports + 1) : "");
}

void check_handshakes(yaml::Faults& faults, const Config& config) {
    const auto knocks_so = [](const authz::Credential& c) { return c.has_mode(authz::KnockMode::handshake); };
    const auto many = static_cast<std::size_t>(std::ranges::count_if(config.policy.credentials, knocks_so));
    if (many > authz::kMostHandshakes)
        faults.add({config.file, 0, 0},
                   std::to_string(many) + " devices may knock by handshake, and " +
                       std::to_string(authz::kMostHandshakes) + " can",
                   "take mode handshake from users who do not need it");
}

} // namespace xk::config
