// SPDX-License-Identifier: MIT
// What the worker says about handshakes: the next hellos, and the answers to them.
#include "daemon/authz/handshakes.h"
#include "daemon/log.h"
#include "daemon/monitor/monitor.h"

#include <algorithm>

namespace xk {

using namespace privsep;

namespace {

// The end of a tag in boot time, ns: as the worker says, and not later than it may be.
std::int64_t bounded(std::int64_t expires, std::chrono::seconds longest) {
    return std::min(expires, (BootClock::now() + longest).time_since_epoch().count());
}

} // namespace

// Whether a message about this place counts. A late one of a place that a reload has changed does not.
Result<bool> Monitor::counts(std::uint32_t generation, std::uint32_t place) const {
    const auto age = publication_.age_of(generation);
    if (age == TagPublication::Age::senseless)
        return worker_error("said something that makes no sense: hellos of no publication");
    if (age == TagPublication::Age::late && publication_.is_touched(place))
        return false;
    if (!places_.may_shake_hands(place))
        return worker_error("published a hello of no credential that may use handshakes");
    return true;
}

Result<void> Monitor::handle_hellos(Received& received) {
    Hellos message;
    const Wiped wiped(message);
    read_into(message, received);
    const auto records = checked(message);
    if (!records)
        return worker_error("said something that makes no sense: too many hellos");
    const auto counting = counts(message.generation, message.place);
    if (!counting || !*counting)
        return counting ? Result<void>() : counting.error();
    KeptTags tags(records->size());
    for (const HelloRecord& record : *records)
        tags.add({.tag = record.tag,
                  .mac_key = record.mac_key,
                  .slot = record.number,
                  .not_before = 0,
                  .expires = bounded(message.expires, authz::kHelloLife),
                  .place = message.place,
                  .kind = static_cast<std::uint32_t>(authz::RecordKind::hello)});
    return world_.tags.replace_hellos(message.place, tags.all);
}

Result<void> Monitor::handle_answer_hello(Received& received) {
    AnswerHello message;
    const Wiped wiped(message);
    read_into(message, received);
    if (message.source_port == 0 || message.source_port > UINT16_MAX)
        return worker_error("said something that makes no sense: an answer to no port");
    const auto counting = counts(message.generation, message.place);
    if (!counting || !*counting)
        return counting ? Result<void>() : counting.error();
    const Now now = Now::read();
    const Hello hello{{message.source}, {message.destination}, static_cast<std::uint16_t>(message.source_port)};
    // The tag comes first, because the request may follow at once.
    KeptTags tags(1);
    tags.add({.tag = message.tag,
              .mac_key = message.mac_key,
              .slot = 0,
              .not_before = 0,
              .expires = bounded(message.expires, authz::kSessionLife),
              .place = message.place,
              .kind = static_cast<std::uint32_t>(authz::RecordKind::handshake_request)});
    if (auto added = world_.tags.add(tags.all); !added)
        return added;
    const auto sent = world_.answers.send_answer(hello, config_->port, message.packet, now.boot);
    if (sent && *sent)
        return {};
    const Error why = sent ? Error{"the filter has seen no hello from there", {}} : sent.error();
    const auto kind = static_cast<unsigned>(sent ? authz::Answer::refused : authz::Answer::failed);
    if (refusal_log_.allow(kind, hello.source, now.boot))
        log::error(
            Error{"no answer was sent to a handshake from " + hello.source.text() + ": " + why.message, why.hint});
    return {};
}

} // namespace xk
