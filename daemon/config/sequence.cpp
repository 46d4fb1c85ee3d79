// SPDX-License-Identifier: MIT
// "sequence" of the main file: knocks by sequences of ports.
#include "daemon/authz/sequences.h"
#include "daemon/config/config.h"
#include "daemon/config/sections.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

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

std::string odds_text(double odds) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1e", odds);
    return text;
}

void read_opens(Section& sequence, Config& config) {
    const auto opens = sequence.scalar("opens");
    if (!opens || opens->value == kAllServices)
        return;
    const auto& services = config.policy.services;
    if (std::ranges::none_of(services, [&](const authz::Service& s) { return s.name.view() == opens->value; }))
        return sequence.faults().add(opens->place, "there is no service " + in_quotes(opens->value));
    config.policy.settings.sequence.opens = service_id(opens->value);
}

} // namespace

void read_sequence(Section& main, Config& config) {
    auto sequence = main.section("sequence");
    if (!sequence)
        return;
    authz::SequenceSettings& settings = config.policy.settings.sequence;
    if (const auto ports = sequence->number("ports", sequence::kFewestStrongPorts, sequence::kMostPorts))
        settings.ports = static_cast<std::uint32_t>(*ports);
    read_opens(*sequence, config);
    config.max_guess_odds = sequence->parsed("max_guess_odds", parse_odds).value_or(config.max_guess_odds);
    sequence->finish();
}

void check_sequences(yaml::Faults& faults, const Config& config) {
    const auto knocks_so = [](const authz::Credential& c) { return c.has_mode(authz::KnockMode::sequence); };
    const auto many = static_cast<std::size_t>(std::ranges::count_if(config.policy.credentials, knocks_so));
    if (many > authz::kMostSequences)
        faults.add({config.file, 0, 0},
                   std::to_string(many) + " devices may knock by sequences of ports, and " +
                       std::to_string(authz::kMostSequences) + " can",
                   "take mode sequence from users who do not need it");
    const std::uint32_t ports = config.policy.settings.sequence.ports;
    const double odds = authz::guess_odds(many, ports);
    if (odds > config.max_guess_odds)
        faults.add({config.file, 0, 0},
                   "somebody who sends to ports at random may open within a day with odds of " + odds_text(odds) +
                       ", and sequence.max_guess_odds is " + odds_text(config.max_guess_odds),
                   ports < sequence::kMostPorts ? "sequence.ports: " + std::to_string(ports + 1) : "");
}

} // namespace xk::config
