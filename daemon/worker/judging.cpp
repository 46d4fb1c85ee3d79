// SPDX-License-Identifier: MIT
// Judges one record at a time and sends xknockd the request that follows from it.
#include "daemon/log.h"
#include "daemon/worker/worker.h"

#include <unistd.h>

namespace xk::worker {

using namespace privsep;
using authz::Answer;

// Sends each request to xknockd and waits for the reply. Other messages that arrive meanwhile are deferred.
class Worker::GrantRequests : public authz::Firewall {
  public:
    explicit GrantRequests(Worker& worker) : worker_(worker) {}
    Answer open_grant(const authz::GrantRequest& r) override { return request(GrantVerb::open, r); }
    Answer close_grant(const authz::GrantRequest& r) override { return request(GrantVerb::close, r); }
    Answer close_all(std::uint32_t credential) override {
        authz::GrantRequest r;
        r.credential = credential;
        return request(GrantVerb::close_all, r);
    }

    // Number of this object's last request. If the reply was `waiting`, GrantCommitted names the request by it.
    std::uint32_t sequence() const { return own_sequence_; }

    [[noreturn]] static void give_up(const Error& error) {
        log::error(error);
        ::_exit(static_cast<int>(error.exit));
    }

  private:
    Answer request(GrantVerb verb, const authz::GrantRequest& request) {
        RequestGrant ask = request_grant(verb, worker_.judge_->policy().credentials[request.credential].id, request);
        ask.sequence = own_sequence_ = ++worker_.sequence_;
        ask.generation = worker_.generation_;
        // If the request or its reply fails, the worker ends. The record is still in the ring for the next one.
        if (auto sent = worker_.send_message(ask); !sent)
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
                worker_.reports_.on_sign_of_reading();
                if (answer->sequence != ask.sequence)
                    give_up(Error{"a reply from xknockd is of another request", {}, Exit::bug});
                return answer->answer;
            }
            if (auto done = worker_.defer_message(**std::move(received)); !done)
                give_up(done.error());
        }
    }

    Worker& worker_;
    std::uint32_t own_sequence_ = 0;
};

void Worker::judge(const authz::Record& record) {
    const Now now = Now::read();
    check_for_clock_jump(now);
    if (record.kind == authz::RecordKind::hello)
        return answer_hello(record, now);
    GrantRequests pinholes(*this);
    conclude(judge_->judge_record(record, now, pinholes), pinholes, now);
}

void Worker::end_overdue() {
    const Now now = Now::read();
    GrantRequests pinholes(*this);
    judge_->end_overdue(now, pinholes, [&](const authz::Outcome& outcome) { conclude(outcome, pinholes, now); });
}

// The answer comes first, because somebody waits for it. If it cannot be sent, the worker ends, and the client tries
// again.
void Worker::answer_hello(const authz::Record& record, const Now& now) {
    auto result = judge_->judge_hello(record, now);
    if (const auto* refused = std::get_if<authz::Outcome>(&result)) {
        conclude(*refused, GrantRequests(*this), now);
        // Its number may be used, so that the window has moved.
        if (refused->credential)
            publish_or_end(*refused->credential, now);
        return;
    }
    auto& answer = std::get<authz::HelloAnswer>(result);
    const Wiped wiped(answer);
    AnswerHello message;
    const Wiped wiped_message(message);
    message.generation = generation_;
    message.place = answer.place;
    message.source_port = record.source_port;
    message.source = record.source.bytes;
    message.destination = record.destination.bytes;
    message.tag = answer.gate.tag;
    message.mac_key = answer.gate.mac_key;
    message.expires = answer.until;
    message.packet = answer.packet;
    if (auto sent = send_message(message); !sent)
        GrantRequests::give_up(sent.error());
    publish_or_end(answer.place, now);
}

void Worker::publish_or_end(std::uint32_t place, const Now& now) {
    if (auto sent = publish_hellos(place, now); !sent)
        GrantRequests::give_up(sent.error());
}

void Worker::conclude(const authz::Outcome& outcome, const GrantRequests& pinholes, const Now& now) {
    const auto& credentials = judge_->policy().credentials;
    reports_.report(outcome, outcome.credential ? &credentials[*outcome.credential] : nullptr, now.boot);
    if (const authz::Accepted* accepted = outcome.accepted(); accepted != nullptr && accepted->waiting)
        undone_[pinholes.sequence()] = *accepted->waiting;
    const authz::Refused* refused = outcome.refused();
    if (refused != nullptr && refused->reason == authz::Reject::wrong_code && refused->locked_for_good) {
        Notice notice;
        notice.kind = static_cast<std::uint32_t>(NoticeKind::locked_for_good);
        notice.credential = judge_->policy().credentials[*outcome.credential].id;
        (void)send_message(notice);
    }
}

// An earlier xknockd may have ended between its reply `waiting` and the grant. Those knocks are not in the ring any
// more, so their requests are repeated from the state.
void Worker::repeat_requests() {
    GrantRequests pinholes(*this);
    for (std::uint32_t i = 0; i < authz::kMostAsked; ++i) {
        if (state_.asked(i).live == 0)
            continue;
        if (judge_->request_again(i, Now::read(), pinholes) == Answer::waiting)
            undone_[pinholes.sequence()] = i;
    }
    const Now now = Now::read();
    judge_->resume_pending(now, pinholes, [&](const authz::Outcome& outcome) { conclude(outcome, pinholes, now); });
}

} // namespace xk::worker
