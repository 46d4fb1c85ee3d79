// SPDX-License-Identifier: MIT
// Passes the worker's requests for grants on, and replies to them.
#include "daemon/log.h"
#include "daemon/monitor/monitor.h"

namespace xk {

using namespace privsep;
using authz::Answer;

Result<void> Monitor::handle_request(Received& received) {
    const auto message = *as<RequestGrant>(received);
    const auto asked = checked(message);
    if (!asked)
        return worker_error("asked for something that makes no sense");
    const Now now = Now::read();
    const auto index = config_->policy.find_credential(message.credential);
    authz::GrantRequest request = asked->request;
    request.credential = static_cast<std::uint32_t>(index.value_or(UINT32_MAX));
    const GrantPort::Ticket ticket = ++last_ticket_;
    GrantReply reply;
    switch (asked->verb) {
    case GrantVerb::open:
        reply = world_.grants.open_grant(request, ticket, now);
        break;
    case GrantVerb::close:
        reply = world_.grants.close_grant(request, now);
        break;
    case GrantVerb::close_all:
        reply = world_.grants.close_all(request.credential, now);
        break;
    }
    ReplyGrant to_worker;
    to_worker.sequence = message.sequence;
    to_worker.answer = reply.answer;
    if (reply.answer == Answer::waiting)
        waiting_.emplace(ticket, message.sequence);
    auto sent = send_message(to_worker);
    world_.owner.on_request_answered(now);
    note_refusal(message, *asked, reply, now);
    return sent;
}

void Monitor::on_committed(GrantPort::Ticket ticket, bool done) {
    const auto waiting = waiting_.extract(ticket);
    if (!waiting)
        return;
    GrantCommitted message;
    message.sequence = waiting.mapped();
    message.failed = done ? 0 : 1;
    (void)send_message(message); // the loop notices a worker that has ended
}

void Monitor::note_refusal(const RequestGrant& message, const CheckedRequest& asked, const GrantReply& reply,
                           const Now& now) {
    outdated_.reset();
    if (reply.answer != Answer::refused && reply.answer != Answer::failed)
        return;
    const Address& address = asked.request.address;
    if (reply.answer == Answer::refused && message.generation != generation_ && !publication_.follows()) {
        outdated_.emplace(message.credential, address);
        return;
    }
    // The worker should have refused it. It may be compromised.
    if (!refusal_log_.allow(static_cast<unsigned>(reply.answer), address, now.boot))
        return;
    const auto index = config_->policy.find_credential(message.credential);
    log::error("{}: {} from {}{}",
               reply.answer == Answer::failed ? "a grant could not be opened or closed"
                                              : "the worker asked for a grant that is not allowed",
               index ? config_->policy.credentials[*index].label() : "an unknown credential", address.text(),
               reply.error ? ": " + reply.error->message : "");
}

} // namespace xk
