// SPDX-License-Identifier: MIT
// Publishes the filter's tags, hellos and sequences of ports as the wall clock goes on, and none while the clock is not
// credible.
#include "daemon/worker/worker.h"

#include "daemon/authz/handshakes.h"
#include "daemon/authz/sequences.h"
#include "daemon/log.h"
#include "protocol/base/duration.h"

#include <sodium.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <utility>

namespace xk::worker {

using namespace privsep;

namespace {

constexpr std::uint64_t kClockRoot = std::uint64_t{1} << 62; // XK_C_LOCK_ROOT

// The number of the node to which a port leads. 2^63 numbers for at most 30,000 nodes: no two are the same by chance,
// and nobody else has a say in them.
std::uint64_t node_behind(std::uint64_t node, std::uint16_t port) {
    Bytes<10> path;
    store_be<std::uint64_t>(std::span(path).first<8>(), node);
    store_be<std::uint16_t>(std::span(path).last<2>(), port);
    Bytes<16> hash;
    crypto_generichash(hash.data(), hash.size(), path.data(), path.size(), nullptr, 0);
    return load_be<std::uint64_t>(std::span(hash).first<8>()) | std::uint64_t{1} << 63;
}

static_assert(authz::kHelloWindow == kHellosInMessage);

} // namespace

bool Worker::clock_is_credible(const Now& now) const {
    return now.wall >= earliest_ && state_.believes(now, judge_->policy().settings.skew);
}

void Worker::check_for_clock_jump(const Now& now) {
    const auto forward = state_.follow_wall_clock(now);
    if (forward.count() > 0)
        log::warn(
            "the wall clock was set forward by {} while the machine was awake; earlier knocks are refused, because "
            "it may run from a snapshot",
            duration_text(std::chrono::ceil<std::chrono::seconds>(forward)));
}

Result<void> Worker::follow_clock(bool was_set) {
    // The timer fires when the next slot begins, and at once if the clock is set or the machine wakes up. The clock may
    // be set just before the timer is armed, so it is read again.
    Now now = Now::read();
    for (bool armed = false; !armed;) {
        const Slot slot = slot_of(now.wall);
        itimerspec next{};
        next.it_value.tv_sec =
            std::chrono::duration_cast<std::chrono::seconds>(slot_begin(slot + 1).time_since_epoch()).count();
        ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &next, nullptr);
        now = Now::read();
        armed = slot_of(now.wall) == slot;
    }
    check_for_clock_jump(now);
    if (!judge_)
        return {};
    judge_->follow_clock(now);
    const bool credible = clock_is_credible(now);
    judge_->set_clock_credible(credible);
    if (credible == clock_reported_wrong_) {
        clock_reported_wrong_ = !credible;
        Notice notice;
        notice.kind = static_cast<std::uint32_t>(credible ? NoticeKind::clock_right : NoticeKind::clock_wrong);
        if (auto sent = send_message(notice); !sent)
            return sent;
        was_set = true;
    }
    auto published = publish_tags(now, was_set ? TagScope::all : TagScope::more);
    if (published)
        published = publish_steps(now);
    if (published && hellos_renewed_ != BootTime{} && now.boot - hellos_renewed_ >= authz::kHelloLife / 2)
        published = publish_all_hellos(now);
    return published;
}

Result<void> Worker::publish_all_hellos(const Now& now) {
    hellos_renewed_ = now.boot;
    for (std::uint32_t place = 0; place < judge_->policy().credentials.size(); ++place)
        if (auto sent = publish_hellos(place, now); !sent)
            return sent;
    return {};
}

Result<void> Worker::publish_hellos(std::uint32_t place, const Now& now) {
    const auto first = judge_->next_hello(place);
    if (!first || authz::is_nobodys(judge_->keys()[place]))
        return {};
    const auto message = std::make_unique<Hellos>();
    const Wiped wiped_message(*message);
    Secret<handshake::Keys> keys;
    handshake::derive_keys(*keys, judge_->keys()[place].handshake);
    message->generation = generation_;
    message->place = place;
    message->expires = (now.boot + authz::kHelloLife).time_since_epoch().count();
    for (std::uint64_t i = 0; i < authz::kHelloWindow && *first + i <= handshake::kLastNumber; ++i) {
        GateKeys gate = gate_keys(keys->hello.gate, *first + i);
        const Wiped wiped(gate);
        HelloRecord& record = message->hellos[message->count++];
        record.tag = gate.tag;
        record.mac_key = gate.mac_key;
        record.number = *first + i;
    }
    return send_message(*message);
}

Result<void> Worker::publish_tags(const Now& now, TagScope scope, std::span<const std::uint32_t> changed) {
    const auto skew = judge_->policy().settings.skew;
    const authz::SlotRange range = authz::published_slots(now.wall, skew);
    const bool credible = clock_is_credible(now);
    const auto message = std::make_unique<Tags>();
    const Wiped wiped_message(*message);
    message->generation = generation_;
    message->scope = static_cast<std::uint32_t>(scope);
    message->first = 1;
    const auto flush = [&](bool last) -> Result<void> {
        message->last = last ? 1 : 0;
        auto sent = send_message(*message);
        message->first = 0;
        message->count = 0;
        return sent;
    };
    const Secret<CredentialKeys>& keys = judge_->keys();
    const auto add = [&](Slot slot, std::uint32_t place) -> Result<void> {
        if (authz::is_nobodys(keys[place]) || !judge_->policy().credentials[place].has_mode(authz::KnockMode::packet))
            return {};
        const authz::TagLife life = authz::tag_life(slot, skew);
        GateKeys gate = gate_keys(keys[place].gate, slot);
        const Wiped wiped(gate);
        TagRecord& record = message->tags[message->count++];
        record.tag = gate.tag;
        record.mac_key = gate.mac_key;
        record.slot = slot;
        record.not_before = now.boot_at(life.from).time_since_epoch().count();
        record.expires = now.boot_at(life.until).time_since_epoch().count();
        record.place = place;
        return message->count == kTagsInMessage ? flush(false) : Result<void>();
    };
    const auto add_all = [&](Slot slot) -> Result<void> {
        for (const std::uint32_t place : changed)
            if (auto sent = add(slot, place); !sent)
                return sent;
        for (std::uint32_t place = 0; scope != TagScope::changed && place < keys.size(); ++place)
            if (auto sent = add(slot, place); !sent)
                return sent;
        return {};
    };
    Result<void> sent;
    for (Slot slot = range.first; sent && credible && slot <= range.last; ++slot)
        if (scope != TagScope::more || slot < published_.first || slot > published_.last)
            sent = add_all(slot);
    // Tags of changed credentials are of slots that are published already. A slot that begins soon comes with the next
    // publication.
    if (sent && scope != TagScope::changed)
        published_ = credible ? range : authz::SlotRange{};
    if (sent)
        sent = flush(true);
    return sent;
}

std::map<std::vector<std::uint16_t>, std::uint32_t> Worker::clock_sequences(Slot slot) {
    const authz::Policy& policy = judge_->policy();
    std::map<std::vector<std::uint16_t>, std::uint32_t> sequences;
    std::map<std::vector<std::uint16_t>, std::vector<std::uint32_t>> shared;
    for (std::uint32_t place = 0; place < policy.credentials.size(); ++place) {
        if (!policy.credentials[place].has_mode(authz::KnockMode::c_lock) || authz::is_nobodys(judge_->keys()[place]))
            continue;
        const auto ports = authz::clock_ports_of(judge_->factors()[place], slot, policy.settings.c_lock.ports);
        const auto [other, is_new] = sequences.insert({ports, place});
        if (!is_new)
            shared.insert({ports, {other->second}}).first->second.push_back(place);
    }
    for (const auto& [ports, places] : shared) {
        sequences.erase(ports);
        // Devices with one secret share every slot: they are told about once, until a slot is without them.
        Slot& told = told_shared_[places];
        if (told + 1 < slot) {
            std::string labels;
            for (const std::uint32_t place : places)
                labels += (labels.empty() ? "" : ", ") + policy.credentials[place].label();
            log::warn("{} have the same code of c-lock in one slot; there it opens for none of them", labels);
        }
        told = std::max(told, slot);
    }
    std::erase_if(told_shared_, [&](const auto& told) { return told.second + 5 < slot; });
    return sequences;
}

Result<void> Worker::publish_steps(const Now& now) {
    const authz::Policy& policy = judge_->policy();
    const auto knocks_so = [](const authz::Credential& c) {
        return c.has_mode(authz::KnockMode::sequence) || c.has_mode(authz::KnockMode::c_lock);
    };
    const bool any = clock_is_credible(now) && std::ranges::any_of(policy.credentials, knocks_so);
    if (!std::exchange(has_published_steps_, any) && !any)
        return {};
    const auto message = std::make_unique<Steps>();
    const Wiped wiped_message(*message);
    message->generation = generation_;
    message->first = 1;
    const auto flush = [&](bool last) -> Result<void> {
        message->last = last ? 1 : 0;
        auto sent = send_message(*message);
        message->first = 0;
        message->count = 0;
        return sent;
    };
    const auto add = [&](Slot slot, std::uint32_t place, std::uint64_t root,
                         const std::vector<std::uint16_t>& ports) -> Result<void> {
        const auto [from, until] = authz::sequence_life(slot);
        std::uint64_t node = root;
        for (std::size_t i = 0; i < ports.size(); ++i) {
            StepRecord& record = message->steps[message->count++];
            record.slot = slot;
            record.not_before = now.boot_at(from).time_since_epoch().count();
            record.expires = now.boot_at(until).time_since_epoch().count();
            record.node = node;
            record.next = node = i + 1 < ports.size() ? node_behind(node, ports[i]) : 0;
            record.place = place;
            record.port = ports[i];
            if (message->count == kStepsInMessage)
                if (auto sent = flush(false); !sent)
                    return sent;
        }
        return {};
    };
    const Slot last = slot_of(now.wall) + 1;
    for (Slot slot = slot_of(now.wall - authz::kSequenceGrace); any && slot <= last; ++slot)
        for (std::uint32_t place = 0; place < policy.credentials.size(); ++place)
            if (policy.credentials[place].has_mode(authz::KnockMode::sequence) &&
                !authz::is_nobodys(judge_->keys()[place]))
                if (auto sent = add(
                        slot, place, slot,
                        sequence::strong_ports(judge_->keys()[place].sequence, slot, policy.settings.sequence.ports));
                    !sent)
                    return sent;
    for (Slot slot = slot_of(now.wall - authz::kSequenceGrace); any && slot <= last; ++slot)
        for (const auto& [ports, place] : clock_sequences(slot))
            if (auto sent = add(slot, place, slot | kClockRoot, ports); !sent)
                return sent;
    return flush(true);
}

} // namespace xk::worker
