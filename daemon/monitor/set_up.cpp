// SPDX-License-Identifier: MIT
#include "daemon/monitor/set_up.h"

#include "daemon/privsep/request_table.h"

#include <poll.h>

namespace xk {

using namespace privsep;

Error worker_error(const std::string& what) {
    return Error{"xknock-worker " + what, "see its own log lines above", Exit::failed};
}

Result<Ready> set_up_worker(const Child& worker, const Setup& setup, std::span<const int> fds,
                            std::chrono::milliseconds patience) {
    const Error silent{"xknock-worker does not come up", "see its own log lines above"};
    Conversation conversation(Side::xknockd);
    if (!send(worker.channel, setup, fds)) // the worker ended at once
        return silent;
    conversation.on_sent(Type::setup);
    pollfd ready{worker.channel.fd(), POLLIN, 0};
    ::poll(&ready, 1, static_cast<int>(patience.count()));
    auto received = worker.channel.receive(false);
    if (!received)
        return received.error();
    if (!*received)
        return silent;
    if (const auto fault = conversation.admit(**received, BootClock::now()))
        return worker_error("said something that makes no sense: " + text_of(*fault, type_of(**received)));
    const auto answer = *as<Ready>(**received);
    if (answer.begin > kUnreadable)
        return worker_error("said something that makes no sense: a beginning of no kind");
    return answer;
}

} // namespace xk
