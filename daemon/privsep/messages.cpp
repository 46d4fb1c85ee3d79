// SPDX-License-Identifier: MIT
#include "daemon/privsep/messages.h"

#include <algorithm>

namespace xk::privsep {

// Padding would carry bytes of the sender's memory, and nothing would check them.
static_assert(std::has_unique_object_representations_v<RequestGrant>);
static_assert(std::has_unique_object_representations_v<Notice>);
static_assert(std::has_unique_object_representations_v<SecretsRead>);
static_assert(std::has_unique_object_representations_v<Outcome>);
static_assert(std::has_unique_object_representations_v<Suppressed>);

namespace {

bool is_known(GrantVerb verb) {
    switch (verb) {
    case GrantVerb::open:
    case GrantVerb::close:
    case GrantVerb::close_all:
        return true;
    }
    return false;
}

} // namespace

RequestGrant request_grant(GrantVerb verb, const wire::CredentialId& credential, const authz::GrantRequest& request) {
    RequestGrant message;
    message.credential = credential;
    message.verb = static_cast<std::uint32_t>(verb);
    message.service = request.service;
    message.address = request.address.bytes;
    message.target = request.target.bytes;
    message.lifetime = request.lifetime;
    message.port = request.endpoint.port;
    message.protocol = static_cast<std::uint8_t>(request.endpoint.protocol);
    message.single_use = request.single_use ? 1 : 0;
    return message;
}

std::optional<CheckedRequest> checked(const RequestGrant& message) {
    const auto verb = static_cast<GrantVerb>(message.verb);
    const auto protocol = static_cast<IpProtocol>(message.protocol);
    if (!is_known(verb) || !is_known(protocol) || message.single_use > 1)
        return std::nullopt;
    authz::GrantRequest request;
    request.address.bytes = message.address;
    request.service = message.service;
    request.target.bytes = message.target;
    request.endpoint = {protocol, message.port};
    request.single_use = message.single_use == 1;
    request.lifetime = message.lifetime;
    return CheckedRequest{verb, request};
}

std::optional<NoticeKind> checked(const Notice& message) {
    switch (const auto kind = static_cast<NoticeKind>(message.kind)) {
    case NoticeKind::clock_wrong:
    case NoticeKind::clock_right:
    case NoticeKind::locked_for_good:
        return kind;
    }
    return std::nullopt;
}

std::optional<TagScope> checked(const Tags& message) {
    if (message.count > kTagsInMessage || message.first > 1 || message.last > 1)
        return std::nullopt;
    const auto is_packet = [](const TagRecord& t) {
        return t.kind == static_cast<std::uint32_t>(authz::RecordKind::packet);
    };
    if (!std::all_of(message.tags, message.tags + message.count, is_packet))
        return std::nullopt;
    switch (const auto scope = static_cast<TagScope>(message.scope)) {
    case TagScope::more:
    case TagScope::all:
    case TagScope::changed:
        return scope;
    }
    return std::nullopt;
}

std::optional<std::span<const HelloRecord>> checked(const Hellos& message) {
    return message.count <= kHellosInMessage ? std::optional(std::span(message.hellos, message.count)) : std::nullopt;
}

std::optional<std::span<const StepRecord>> checked(const Steps& message) {
    if (message.count > kStepsInMessage || message.first > 1 || message.last > 1)
        return std::nullopt;
    const std::span steps(message.steps, message.count);
    const auto is_in_range = [](const StepRecord& step) {
        return step.port >= sequence::kFirstClockPort; // those of the other kind lie behind it
    };
    return std::ranges::all_of(steps, is_in_range) ? std::optional(steps) : std::nullopt;
}

} // namespace xk::privsep
