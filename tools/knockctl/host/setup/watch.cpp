// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/watch.h"

#include "daemon/nft/ruleset.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/host/setup/why.h"

#include <algorithm>

namespace xk::tools::setup {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kPause{200};
// systemd starts a daemon that died again; a trial outlives that.
constexpr std::chrono::seconds kPatience{15};

class Watch {
  public:
    Watch(Console& console, const Control& control, const config::Config& config, Sightings& sightings)
        : console_(console), control_(control), config_(config), sightings_(sightings) {
        course_.port = config.port;
    }
    Result<TrialEnd> run();

  private:
    std::optional<Result<TrialEnd>> look(const json& status);
    void tell_news(const json& events);
    Result<TrialEnd> confirm(const Proof& proof);
    Result<TrialEnd> end();
    bool is_gone_for_good() const;

    Console& console_;
    const Control& control_;
    const config::Config& config_;
    Sightings& sightings_;
    Course course_;
    BootTime end_ = BootTime::max(), last_seen_ = BootClock::now();
    std::uint64_t told_ = 0; // number of the last event that was told
    std::set<std::string> opened_;
};

// What happens is said as it happens: whoever tries sees whether the knock arrived.
void Watch::tell_news(const json& events) {
    const json list = events.value("events", json::array());
    if (told_ == 0) // what came before the trial is no news
        for (const json& event : list)
            if (event.value("kind", "") == "trial_begun")
                told_ = event.value("number", std::uint64_t{0});
    for (const json& event : list) {
        const std::uint64_t number = event.value("number", std::uint64_t{0});
        if (number <= told_)
            continue;
        told_ = number;
        const std::string kind = event.value("kind", ""),
                          who = event.value("user", "somebody") + "/" + event.value("device", "");
        if (kind == "grant_begun" && event.contains("device")) {
            const std::string what = event.value("service", "") + " for " + event.value("address", "") + " by " + who;
            console_.say("  a knock opened " + what);
            if (opened_.insert(what).second)
                course_.opened.push_back(what);
        } else if (kind == "knock_refused") {
            console_.say("  refused: a knock of " + who + " from " + event.value("source", "?") + ": " +
                         event.value("reason", "?"));
        }
    }
}

Result<TrialEnd> Watch::confirm(const Proof& proof) {
    if (auto done = control_.ask({{"verb", "confirm"}}); !done)
        return done.error();
    console_.say("\nA connection from " + proof.session.remote.text() + " to tcp/" +
                 std::to_string(proof.session.local_port) + " came through the gate, by a knock of " + proof.who +
                 ".\nConfirmed: the gate stays.");
    return TrialEnd::proved;
}

std::optional<Result<TrialEnd>> Watch::look(const json& status) {
    last_seen_ = BootClock::now();
    const auto left = status.find("trial_ends_in_s");
    if (left == status.end() || !left->is_number_unsigned()) {
        console_.say("\nSomebody confirmed the trial: the gate stays.");
        return TrialEnd::confirmed;
    }
    end_ = last_seen_ + std::chrono::seconds(left->get<std::uint32_t>());
    const auto events = control_.ask({{"verb", "events"}});
    if (!events)
        return std::nullopt; // it just ended
    tell_news(*events);
    auto connections = read_connections();
    sightings_.note(connections, BootClock::now());
    if (const auto proof = find_proof(knock_grants(*events), connections, config_))
        return confirm(*proof);
    course_.allowed.merge(allowed_visitors(connections, config_));
    if (const auto stats = control_.ask({{"verb", "stats"}})) {
        if (course_.before.is_null())
            course_.before = *stats;
        course_.after = *stats;
    }
    return std::nullopt;
}

bool Watch::is_gone_for_good() const {
    const BootTime now = BootClock::now();
    return now >= end_ + std::chrono::seconds(1) || now >= last_seen_ + kPatience;
}

Result<TrialEnd> Watch::end() {
    const bool in_time = BootClock::now() < end_;
    auto socket = nft::Socket::open_nf_tables();
    const auto stands = socket ? nft::ruleset_exists(*socket) : Result<bool>(socket.error());
    if (stands && *stands)
        return Error{"xknockd does not answer any more, and its ruleset stands",
                     "journalctl -u xknockd; \"xknockd --remove\" opens the ports"};
    console_.say(
        std::string(in_time ? "\nxknockd has ended" : "\nThe time is over, and no connection came by a knock") +
        ": the ports are open again, as before.\nWhy:");
    console_.say(in_time ? "  journalctl -u xknockd says why it ended" : why_nothing_came(course_));
    return TrialEnd::over;
}

Result<TrialEnd> Watch::run() {
    for (;;) {
        if (const auto status = control_.ask({{"verb", "status"}})) {
            if (auto ended = look(*status))
                return *std::move(ended);
        } else if (is_gone_for_good()) {
            return end();
        }
        const auto line = console_.wait_for_line(kPause);
        if (line && line->kind != Line::text)
            return stopped(line->kind);
        if (line && end_ != BootTime::max())
            console_.say("  the trial ends in " +
                         duration_text(std::max(std::chrono::ceil<std::chrono::seconds>(end_ - BootClock::now()),
                                                std::chrono::seconds(0))));
    }
}

} // namespace

Result<TrialEnd> watch_trial(Console& console, const Control& control, const config::Config& config,
                             Sightings& sightings) {
    return Watch(console, control, config, sightings).run();
}

} // namespace xk::tools::setup
