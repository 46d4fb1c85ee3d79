// SPDX-License-Identifier: MIT
#include "trackers.h"

#include "bpf/abi.h"

#include <algorithm>

namespace xk::test {
namespace {

using namespace std::chrono_literals;

bool leads_on(const Published& all, Slot slot, const Ports& sent) {
    const auto known = all.find(slot);
    return known != all.end() && std::ranges::any_of(known->second, [&](const auto& sequence) {
               const Ports& ports = sequence.first;
               return ports.size() >= sent.size() && std::equal(sent.begin(), sent.end(), ports.begin());
           });
}

std::optional<std::uint32_t> owner_of(const Published& all, Slot slot, const Ports& sent) {
    const auto known = all.find(slot);
    if (known == all.end() || !known->second.contains(sent))
        return std::nullopt;
    return known->second.at(sent);
}

} // namespace

std::vector<Found> StrongTracker::take_port(const Address& source, std::uint16_t port, TraceTime time,
                                            const std::vector<Slot>& open) {
    std::vector<Found> found;
    if (port < 24576 || port >= 32768)
        return found;
    for (const Slot slot : open) {
        Progress& p = sources_[{source, slot}];
        if (time - p.since > 10s)
            p.sent.clear();
        if (p.sent.empty()) {
            if (p.resets < 8 && leads_on(sequences, slot, {port}))
                p.sent = {port}, p.since = time;
            continue;
        }
        if (std::ranges::find(p.sent, port) != p.sent.end())
            continue;
        p.sent.push_back(port);
        if (!leads_on(sequences, slot, p.sent)) {
            p.sent.clear();
            ++p.resets;
        } else if (const auto owner = owner_of(sequences, slot, p.sent)) {
            const Ports whole = std::exchange(p.sent, {});
            const bool is_new = used_.emplace(slot, whole).second;
            found.push_back({is_new ? XK_SEQUENCE : XK_SEEN, slot, *owner, whole});
        }
    }
    return found;
}

std::vector<Found> ClockTracker::take_port(Address source, std::uint16_t port, TraceTime time,
                                           const std::vector<Slot>& open) {
    if (!source.is_v4())
        std::fill(source.bytes.begin() + 8, source.bytes.end(), std::uint8_t{0});
    Run& run = runs_[source];
    if (port < 1024 || port == open_port || (run.muted && time < *run.muted))
        return {};
    const bool begins = run.sent.empty() || time - run.last > 2s;
    Ports longer = begins ? Ports{} : run.sent;
    longer.push_back(port);
    std::set<Slot> slots;
    for (const Slot slot : open)
        if ((begins || run.slots.contains(slot)) && leads_on(sequences, slot, longer))
            slots.insert(slot);
    if (!begins && slots.empty() && run.sent.back() == port)
        return {};
    run.sent = longer;
    run.slots = slots;
    run.last = time;
    return run.sent.size() < ports_ ? std::vector<Found>() : end_run(run, source, time);
}

std::vector<Found> ClockTracker::end_run(Run& run, const Address& source, TraceTime time) {
    const Ports whole = std::exchange(run.sent, {});
    if (run.slots.empty()) {
        if (run.muted && time - *run.muted > 1h)
            run.failures = 0;
        ++run.failures;
        run.muted = time + (run.failures == 1 ? 1min : run.failures == 2 ? 10min : 60min);
        take_token(source, time);
        return {};
    }
    run.failures = 0;
    const Slot slot = *run.slots.begin();
    const std::uint32_t owner = *owner_of(sequences, slot, whole);
    if (used_.contains({slot, whole}))
        return {{XK_SEEN, slot, owner, whole}};
    used_.emplace(slot, whole);
    if (!take_token(source, time))
        return {{XK_RATE, slot, owner, whole}};
    right_sources_.insert(source);
    return {{XK_SEQUENCE, slot, owner, whole}};
}

// Strangers leave half of the tokens (of an odd number the smaller half).
bool ClockTracker::take_token(const Address& source, TraceTime time) {
    level_ = std::min(level_ + (time - std::exchange(filled_, time)), attempts_ * interval_);
    const std::int64_t left = right_sources_.contains(source) ? 0 : attempts_ / 2;
    if (level_ < (left + 1) * interval_)
        return false;
    level_ -= interval_;
    return true;
}

} // namespace xk::test
