// SPDX-License-Identifier: MIT
#include "daemon/verbs/verbs.h"

#include "daemon/verbs/fields.h"
#include "daemon/verbs/reply.h"
#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace xk::verbs {
namespace {

using control::Role;
using nlohmann::json;

// No verb has a field of more than three levels. The parser has no limit, and copying, comparing or writing a value
// calls itself for each level, so without this limit a client could exhaust the stack.
constexpr std::size_t kMaxDepth = 16;

// Returns how deeply brackets are nested in the text, whether it is JSON or not.
std::size_t depth_of(const std::string& text) {
    std::size_t depth = 0, deepest = 0;
    bool in_text = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_text && c == '\\')
            ++i;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '[' || c == '{'))
            deepest = std::max(deepest, ++depth);
        else if (!in_text && (c == ']' || c == '}') && depth > 0)
            --depth;
    }
    return deepest;
}

Result<json> parse_request(const std::string& text) {
    if (depth_of(text) > kMaxDepth)
        return Error{"the request is nested too deeply", {}, Exit::usage};
    json parsed = json::parse(text, nullptr, false);
    if (parsed.is_discarded())
        return Error{"the request is not JSON", {}, Exit::usage};
    if (!parsed.is_object() || !parsed.contains("verb") || !parsed["verb"].is_string())
        return Error{"the request is not a JSON object with a verb", {}, Exit::usage};
    return parsed;
}

} // namespace

Verbs::Verbs(Table table, authz::EventSink& events, Clock clock)
    : table_(std::move(table)), events_(events), clock_(std::move(clock)) {}

control::Reply Verbs::reply_to(const control::Peer& peer, const std::string& text) const {
    const auto parsed = parse_request(text);
    if (!parsed)
        return error_reply(parsed.error());
    const std::string name = (*parsed)["verb"];
    const auto verb = std::ranges::find(table_, name, &Verb::name);
    if (verb == table_.end())
        return error_reply({"there is no verb " + in_quotes(name), {}, Exit::usage});
    if (verb->role == Role::admin && peer.role != Role::admin)
        return error_reply({"you may look, but not " + name, "be root, or a member of control.admin_group"});
    authz::Event action;
    const Request request{.fields = *parsed,
                          .by = {peer.uid, peer.pid, peer.login_uid, peer.name, peer.login_name},
                          .now = clock_(),
                          .clock = clock_,
                          .action = action,
                          .events = events_};
    auto done = run(*verb, request);
    if (verb->subject)
        emit_action(request, done);
    return done ? *std::move(done) : error_reply(done.error());
}

Result<control::Reply> Verbs::run(const Verb& verb, const Request& request) const {
    if (auto good = check_fields(request.fields, verb.fields); !good)
        return good.error();
    if (verb.subject) {
        authz::Event& action = request.action;
        action.kind = authz::EventKind::operator_action;
        action.at = request.now;
        action.verb = verb.name;
        action.detail = printable(verb.subject(request.fields));
        action.by = request.by;
    }
    try {
        return verb.run(request);
    } catch (const json::exception&) { // check_fields() should have found it; a mistake there must not end the daemon
        return Error{"a field of the request has the wrong type", {}, Exit::usage};
    }
}

// A malformed request changed nothing, so it causes no event. Another request that failed may have changed something
// before it failed.
void Verbs::emit_action(const Request& request, const Result<control::Reply>& done) const {
    if (!done && done.error().exit == Exit::usage)
        return;
    request.action.failure = done ? "" : done.error().message;
    events_.on_event(request.action);
}

} // namespace xk::verbs
