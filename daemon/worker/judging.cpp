// SPDX-License-Identifier: MIT
// One record at a time: from the ring to the judge, and from the judge to xknockd.
#include "daemon/log.h"
#include "daemon/worker/worker.h"

#include <unistd.h>

namespace xk::worker {

using namespace privsep;
using authz::Answer;

// Asks xknockd and waits for its answer. Whatever else comes meanwhile waits its turn.
class Worker::GrantRequests : public authz::Firewall {
  public:
    explicit GrantRequests(Worker& worker) : worker_(worker) {}
    Answer open(const authz::GrantRequest& r) override { return ask(GrantVerb::open, r); }
    Answer close(const authz::GrantRequest& r) override { return ask(GrantVerb::close, r); }
    Answer close_all(std::uint32_t credential) override {
        authz::GrantRequest r;
        r.credential = credential;
        return ask(GrantVerb::close_all, r);
    }

    // Of the last request that was made by this object: GrantCommitted names it where its answer was `waiting`.
    std::uint32_t sequence() const { return own_sequence_; }

  private:
    Answer ask(GrantVerb verb, const authz::GrantRequest& request) {
        RequestGrant ask = request_grant(verb, worker_.judge_->policy().credentials[request.credential].id, request);
        ask.sequence = own_sequence_ = ++worker_.sequence_;
        ask.generation = worker_.generation_;
        // Not asked, or not answered: the record stays in the ring, and the next worker asks again.
        if (auto sent = worker_.say(ask); !sent)
            give_up(sent.error());
        for (;;) {
            auto received = worker_.channel_.receive(true);
            if (!received)
                give_up(received.error());
            if (!*received)
                ::_exit(0);
            if (const auto answer = as<ReplyGrant>(**received)) {
                if (auto fine = worker_.admit(**received); !fine)
                    give_up(fine.error());
                if (answer->sequence != ask.sequence)
                    give_up(Error{"a reply from xknockd is of another request", {}, Exit::bug});
                return answer->answer;
            }
            if (auto done = worker_.put_off(**std::move(received)); !done)
                give_up(done.error());
        }
    }
    [[noreturn]] static void give_up(const Error& error) {
        log::error(error);
        ::_exit(static_cast<int>(error.exit));
    }

    Worker& worker_;
    std::uint32_t own_sequence_ = 0;
};

void Worker::judge(const authz::Record& record) {
    const Now now = Now::read();
    look_at_clock(now);
    GrantRequests pinholes(*this);
    conclude(judge_->judge(record, now, pinholes), pinholes, now);
}

void Worker::end_overdue() {
    const Now now = Now::read();
    GrantRequests pinholes(*this);
    judge_->end_overdue(now, pinholes, [&](const authz::Outcome& outcome) { conclude(outcome, pinholes, now); });
}

void Worker::conclude(const authz::Outcome& outcome, const GrantRequests& pinholes, const Now& now) {
    log_outcome(outcome, now);
    if (const authz::Accepted* accepted = outcome.accepted(); accepted != nullptr && accepted->waiting)
        undone_[pinholes.sequence()] = *accepted->waiting;
    const authz::Refused* refused = outcome.refused();
    if (refused != nullptr && refused->reason == authz::Reject::wrong_code && refused->locked_for_good) {
        Notice notice;
        notice.kind = static_cast<std::uint32_t>(NoticeKind::locked_for_good);
        notice.credential = judge_->policy().credentials[*outcome.credential].id;
        (void)say(notice);
    }
}

// xknockd may have ended before pinholes were open that it had promised: their knocks are not in the ring any more.
void Worker::ask_again() {
    GrantRequests pinholes(*this);
    for (std::uint32_t i = 0; i < authz::kMostAsked; ++i) {
        if (state_.asked(i).live == 0)
            continue;
        if (judge_->ask_again(i, Now::read(), pinholes) == Answer::waiting)
            undone_[pinholes.sequence()] = i;
    }
    const Now now = Now::read();
    judge_->resume(now, pinholes, [&](const authz::Outcome& outcome) { conclude(outcome, pinholes, now); });
}

} // namespace xk::worker
