// SPDX-License-Identifier: MIT
//
// Ports: the world as the Monitor sees it. What the worker asks for is done by GrantPort, what it publishes goes to
// TagPort, and the owner hears of its end. The wiring implements them with the tables of grants and bans and with the
// filter; the unit tests implement them with a record.
#pragma once

#include "daemon/authz/firewall.h"
#include "daemon/xdp/maps.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xk {

// The tags of the filter. A place is the index of a credential in the filter's maps.
class TagPort {
  public:
    virtual ~TagPort() = default;
    virtual Result<void> add(const std::vector<xdp::PublishedTag>& tags) = 0;
    // end_replacement() takes away what was not added after begin_replacement(): of all places, or of these alone.
    virtual void begin_replacement() = 0;
    virtual void end_replacement() = 0;
    virtual void begin_replacement_of(const std::set<std::uint32_t>& places) = 0;
    virtual void end_replacement_of(const std::set<std::uint32_t>& places) = 0;
};

// What became of a request.
struct GrantReply {
    authz::Answer answer = authz::Answer::failed;
    std::string service;  // names, of more than one with commas; for the log, as are all that follow
    std::string pinholes; // "tcp/22, udp/51820"
    std::size_t count = 0;
    std::chrono::seconds lifetime{0}; // the longest of theirs
    std::optional<Error> error;       // answer failed
};

// Grants, with every check of rights, bans and own addresses made again. The credential in a request is its index in
// the configuration that counts; UINT32_MAX: nobody has this id.
class GrantPort {
  public:
    // A request whose answer is `waiting` is named by this when it is done: Monitor::on_committed().
    using Ticket = std::uint64_t;

    virtual ~GrantPort() = default;
    virtual GrantReply open(const authz::GrantRequest& request, Ticket ticket, const Now& now) = 0;
    virtual GrantReply close(const authz::GrantRequest& request, const Now& now) = 0;
    virtual GrantReply close_all(std::uint32_t credential, const Now& now) = 0;
    // Whether requests wait; then settle() is called while the Monitor waits for the worker, for else they would wait
    // for it too.
    virtual bool any_waiting() const = 0;
    virtual void settle(const Now& now) = 0; // does those that are due
};

class MonitorOwner {
  public:
    virtual ~MonitorOwner() = default;
    // The worker ended, hangs, or said what it must not. Told once; the daemon ends with it.
    virtual void on_worker_end(Error error) = 0;
    // A request was answered: grants may have changed, and something was judged.
    virtual void on_request_answered(const Now& now) = 0;
};

} // namespace xk
