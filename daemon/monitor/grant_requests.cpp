// SPDX-License-Identifier: MIT
// The worker's requests for grants: passes them on, replies to them, and logs them.
#include "daemon/log.h"
#include "daemon/monitor/monitor.h"
#include "protocol/base/duration.h"

namespace xk {

using namespace privsep;
using authz::Answer;

namespace {

constexpr unsigned kReloaded = 100; // a kind of line in refusal_log_; the other kinds are values of Answer

std::string until_text(const Now& now, std::chrono::seconds lifetime) {
    return duration_text(lifetime) + ", until " + log::utc(now.wall + lifetime);
}

} // namespace

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
        reply = world_.grants.open(request, ticket, now);
        break;
    case GrantVerb::close:
        reply = world_.grants.close(request, now);
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
    auto sent = tell(to_worker);
    world_.owner.on_request_answered(now);
    const std::string who = index ? config_->policy.credentials[*index].label() : "an unknown credential";
    log_reply(message, *asked, reply, who, now);
    return sent;
}

void Monitor::on_committed(GrantPort::Ticket ticket, bool done) {
    const auto waiting = waiting_.extract(ticket);
    if (!waiting)
        return;
    GrantCommitted message;
    message.sequence = waiting.mapped();
    message.failed = done ? 0 : 1;
    (void)tell(message); // the loop notices a worker that has ended
}

void Monitor::log_reply(const RequestGrant& message, const Asked& asked, const GrantReply& reply,
                        const std::string& who, const Now& now) {
    const Address& address = asked.request.address;
    const std::string where = address.text();
    if (reply.answer == Answer::done || reply.answer == Answer::waiting) {
        if (!grant_log_.allow(0, address, now.boot))
            return;
        const bool dry = settings_.dry_run;
        if (asked.verb == GrantVerb::open)
            spdlog::info("{} {} {} from {} ({}) for {}", dry ? "would grant" : "granted", who, reply.service, where,
                         reply.pinholes, until_text(now, reply.lifetime));
        else if (asked.verb == GrantVerb::close)
            spdlog::info("{} {} {} from {} by {}", dry ? "would close" : "closed", reply.service, reply.pinholes, where,
                         who);
        else
            spdlog::info("{} all grants of {}: {}", dry ? "would close" : "closed", who, reply.count);
    } else if (reply.answer == Answer::refused && message.generation != generation_ && !publication_.follows()) {
        if (refusal_log_.allow(kReloaded, address, now.boot))
            spdlog::warn("refused {} from {}: the configuration that was loaded meanwhile does not allow it", who,
                         where);
    } else if (reply.answer == Answer::refused || reply.answer == Answer::failed) {
        // An honest judge would have refused it, so somebody else controls this worker.
        if (refusal_log_.allow(static_cast<unsigned>(reply.answer), address, now.boot))
            spdlog::error("{}: {} from {}{}",
                          reply.answer == Answer::failed ? "a grant could not be opened or closed"
                                                         : "the worker asked for a grant that is not allowed",
                          who, where, reply.error ? ": " + reply.error->message : "");
    }
}

} // namespace xk
