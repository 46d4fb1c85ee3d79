// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

namespace xk::client {

// What `ask` returns, and nothing where it takes longer. getaddrinfo(3) has no time-out of its own, and a name server
// that does not answer would hold the knock up for seconds. So a thread asks, and ends with the program at the latest:
// `ask` owns whatever it uses.
template <class Ask>
auto answer_within(std::chrono::milliseconds time, Ask ask) -> std::optional<decltype(ask())> {
    auto answer = std::make_shared<std::promise<decltype(ask())>>();
    auto future = answer->get_future();
    std::thread([answer, ask = std::move(ask)] { answer->set_value(ask()); }).detach();
    if (future.wait_for(time) != std::future_status::ready)
        return std::nullopt;
    return future.get();
}

} // namespace xk::client
