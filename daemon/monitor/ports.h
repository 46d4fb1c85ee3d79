// SPDX-License-Identifier: MIT
//
// The interfaces through which the Monitor acts. GrantPort does what the worker requests, TagPort and StepPort take
// what it publishes, AnswerPort sends its answers, and MonitorOwner is notified of the worker's end. The wiring
// implements them by the tables of grants and bans and by the filter; the unit tests implement them by recorders.
#pragma once

#include "daemon/authz/firewall.h"
#include "daemon/xdp/steps.h"
#include "daemon/xdp/tags.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"
#include "protocol/wire.h"

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace xk {

// The tags of the filter. A place is the index of a credential in the filter's maps.
class TagPort {
  public:
    virtual ~TagPort() = default;
    virtual Result<void> add(const std::vector<xdp::PublishedTag>& tags) = 0;
    // end_replacement() removes the tags that were not added since begin_replacement(). The calls with `places` concern
    // the tags of these places alone.
    virtual void begin_replacement() = 0;
    virtual void end_replacement() = 0;
    virtual void begin_replacement_of(const std::set<std::uint32_t>& places) = 0;
    virtual void end_replacement_of(const std::set<std::uint32_t>& places) = 0;
    // The tags of this place's next hellos, instead of those before.
    virtual Result<void> replace_hellos(std::uint32_t place, const std::vector<xdp::PublishedTag>& tags) = 0;
};

// A hello of a handshake, as the filter saw it.
struct Hello {
    Address source, destination;
    std::uint16_t source_port = 0;
};

class AnswerPort {
  public:
    virtual ~AnswerPort() = default;
    // Sends the answer from this port of the hello's destination to its source. False: the filter has seen no such
    // hello lately, or it was answered. An error: the packet could not be sent.
    virtual Result<bool> send_answer(const Hello& hello, std::uint16_t port, const wire::Packet& packet,
                                     BootTime now) = 0;
};

// The sequences of ports in the filter, as a tree of steps.
class StepPort {
  public:
    virtual ~StepPort() = default;
    virtual Result<void> add(const std::vector<xdp::PublishedStep>& steps) = 0;
    // end_replacement() removes the steps that were not added since begin_replacement().
    virtual void begin_replacement() = 0;
    virtual void end_replacement() = 0;
};

// The result of a request.
struct GrantReply {
    authz::Answer answer = authz::Answer::failed;
    std::optional<Error> error{}; // why the answer is `failed`
};

// Grants. The implementation checks rights, bans and own addresses again. The credential in a request is its index in
// the configuration that counts; UINT32_MAX: no credential has this id.
class GrantPort {
  public:
    // Names a request whose answer is `waiting` in the later call of Monitor::on_committed().
    using Ticket = std::uint64_t;

    virtual ~GrantPort() = default;
    virtual GrantReply open_grant(const authz::GrantRequest& request, Ticket ticket, const Now& now) = 0;
    virtual GrantReply close_grant(const authz::GrantRequest& request, const Now& now) = 0;
    virtual GrantReply close_all(std::uint32_t credential, const Now& now) = 0;
    // Whether requests wait. If so, the Monitor calls settle() while it waits for the worker: they must not wait for
    // the worker too.
    virtual bool any_waiting() const = 0;
    virtual void settle(const Now& now) = 0; // commits the requests that are due
};

class MonitorOwner {
  public:
    virtual ~MonitorOwner() = default;
    // The worker ended, hangs, or sent what it must not. Called once; the daemon ends too.
    virtual void on_worker_end(Error error) = 0;
    // A request was answered, so grants may have changed.
    virtual void on_request_answered(const Now& now) = 0;
};

} // namespace xk
