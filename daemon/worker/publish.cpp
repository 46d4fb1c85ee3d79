// SPDX-License-Identifier: MIT
// The tags of the filter follow the wall clock, as long as it can be believed.
#include "daemon/worker/worker.h"

#include "daemon/log.h"
#include "protocol/base/duration.h"

#include <sys/timerfd.h>

namespace xk::worker {

using namespace privsep;

bool Worker::clock_is_credible(const Now& now) const {
    return now.wall >= earliest_ && state_.believes(now, judge_->policy().settings.skew);
}

void Worker::look_at_clock(const Now& now) {
    const auto forward = state_.follow_wall_clock(now);
    if (forward.count() > 0)
        spdlog::warn(
            "the wall clock was set forward by {}, without a sleep; knocks of before are refused, because this "
            "machine may go on from a snapshot",
            duration_text(std::chrono::ceil<std::chrono::seconds>(forward)));
}

Result<void> Worker::follow_clock(bool was_set) {
    // Awake at the next slot's begin, and at once when somebody sets the clock or the machine wakes up. Who sets it
    // just before that is asked for is seen by reading it again.
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
    look_at_clock(now);
    if (!judge_)
        return {};
    judge_->follow_clock(now);
    const bool credible = clock_is_credible(now);
    if (credible == clock_reported_wrong_) {
        clock_reported_wrong_ = !credible;
        Notice notice;
        notice.kind = static_cast<std::uint32_t>(credible ? NoticeKind::clock_right : NoticeKind::clock_wrong);
        if (auto sent = say(notice); !sent)
            return sent;
        was_set = true;
    }
    return publish(now, was_set);
}

Result<void> Worker::publish(const Now& now, bool all) {
    const auto skew = judge_->policy().settings.skew;
    const authz::SlotRange range = authz::published_slots(now.wall, skew);
    const bool credible = clock_is_credible(now);
    auto message = std::make_unique<Tags>();
    message->generation = generation_;
    const auto flush = [&](bool last) -> Result<void> {
        message->last = last ? 1 : 0;
        auto sent = say(*message);
        message->first = 0;
        message->count = 0;
        return sent;
    };
    message->first = all ? 1 : 0;
    const Secret<CredentialKeys>& keys = judge_->keys();
    for (Slot slot = range.first; credible && slot <= range.last; ++slot) {
        if (!all && slot >= published_.first && slot <= published_.last)
            continue;
        const authz::TagLife life = authz::tag_life(slot, skew);
        for (std::uint32_t i = 0; i < keys.size(); ++i) {
            GateKeys gate = gate_keys(keys[i].gate, slot);
            const Wiped wiped(gate);
            TagRecord& record = message->tags[message->count++];
            record = {gate.tag,
                      gate.mac_key,
                      slot,
                      now.boot_at(life.from).time_since_epoch().count(),
                      now.boot_at(life.until).time_since_epoch().count(),
                      i,
                      0};
            if (message->count == kTagsInMessage)
                if (auto sent = flush(false); !sent)
                    return sent;
        }
    }
    published_ = credible ? range : authz::SlotRange{};
    auto sent = flush(true);
    wipe(*message);
    return sent;
}

} // namespace xk::worker
