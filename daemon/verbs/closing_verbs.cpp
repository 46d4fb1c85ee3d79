// SPDX-License-Identifier: MIT
#include "daemon/verbs/closing_verbs.h"

#include "daemon/lifecycle/daemon.h"
#include "daemon/log.h"
#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <set>

namespace xk {
namespace {

using nlohmann::json;

// "caller": the ssh session in which somebody asks, where it is known.
Result<std::optional<TcpSession>> caller_of(const json& request) {
    if (!request.contains("caller"))
        return std::optional<TcpSession>();
    const json& caller = request["caller"];
    const auto remote = Address::parse(caller.at("remote").get<std::string>());
    const auto local = Address::parse(caller.at("local").get<std::string>());
    if (!remote || !local)
        return Error{"\"caller\" is no session", {}, Exit::usage};
    return std::optional(TcpSession{*remote, caller.at("remote_port").get<std::uint16_t>(), *local,
                                    caller.at("local_port").get<std::uint16_t>()});
}

} // namespace

// "anna" or "anna/laptop"
std::vector<std::size_t> credentials_of(const authz::Policy& policy, const std::string& who) {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < policy.credentials.size(); ++i)
        if (policy.credentials[i].user.view() == who || policy.credentials[i].label() == who)
            found.push_back(i);
    return found;
}

// An address or network, or whoever holds them.
Result<json> close(Daemon& d, const json& request) {
    const std::string what = request.value("what", "");
    const auto caller = caller_of(request);
    if (!caller)
        return caller.error();
    const bool cut = request.value("cut", false) && !d.is_dry_run();
    const Now now = Now::read();
    const auto prefix = Prefix::parse_logged(what);
    std::vector<wire::CredentialId> users;
    for (const std::size_t i : credentials_of(d.config().policy, what))
        users.push_back(d.config().policy.credentials[i].id);
    if (!prefix && users.empty())
        return Error{in_quotes(what) + " is neither an address nor a user", "knockctl users"};
    const auto closed = prefix ? d.grants().close_prefix(*prefix, now) : d.grants().close_credentials(users, now);
    if (!closed)
        return closed.error();
    spdlog::info("closed the grants of {} by the operator: {}", printable(what), *closed);
    if (!cut)
        return json{{"closed", *closed}};
    Lifetimes::OfUsers ended;
    if (prefix) {
        const auto number = d.lifetimes().end_of(*prefix, d.config(), d.own_addresses(), *caller);
        if (!number)
            return number.error();
        ended.ended = *number;
    } else {
        const auto done =
            d.lifetimes().end_of(std::set(users.begin(), users.end()), d.config(), d.own_addresses(), *caller);
        if (!done)
            return done.error();
        ended = *done;
    }
    if (ended.shared > 0)
        spdlog::warn("sessions at {} grants may be those of {}, or of others who had a grant there: they live on",
                     ended.shared, printable(what));
    return json{{"closed", *closed}, {"ended", ended.ended}, {"shared", ended.shared}};
}

Result<json> panic(Daemon& d, const json& request) {
    if (request.value("over", false)) {
        const auto done = d.end_panic();
        if (!done)
            return done.error();
        return json{{"over", *done}};
    }
    const auto caller = caller_of(request);
    if (!caller)
        return caller.error();
    const auto report = d.panic(*caller);
    if (!report)
        return report.error();
    return json{{"closed", report->grants}, {"ended", report->sessions}, {"outlives_restart", report->outlives_us}};
}

} // namespace xk
