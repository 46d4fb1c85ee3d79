// SPDX-License-Identifier: MIT
#include "daemon/xdp/ring.h"

#include "bpf/abi.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

namespace xk::xdp {
namespace {

authz::Candidate candidate_of(const xk_candidate& record) {
    authz::Candidate c;
    static_assert(sizeof record.packet == wire::kPacketSize);
    std::memcpy(c.source.bytes.data(), record.source.bytes, sizeof record.source.bytes);
    std::memcpy(c.destination.bytes.data(), record.destination.bytes, sizeof record.destination.bytes);
    std::memcpy(c.packet.data(), record.packet, sizeof record.packet);
    c.source_port = record.source_port;
    c.arrived = BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(record.arrived)));
    return c;
}

} // namespace

struct Ring::State {
    Fd map;
    ring_buffer* ring = nullptr;
    const Handler* handler = nullptr;
    unsigned left = 0; // records to hand over before the next turn
    std::uint64_t malformed = 0;

    ~State() { ring_buffer__free(ring); }

    static int take(void* self, void* data, std::size_t size) {
        auto* const state = static_cast<State*>(self);
        xk_candidate copy;
        if (size != sizeof copy) {
            ++state->malformed;
        } else {
            std::memcpy(&copy, data, sizeof copy);
            (*state->handler)(candidate_of(copy));
        }
        // The record is done with either way; an error only ends the turn.
        return --state->left == 0 ? -ECANCELED : 0;
    }
};

Ring::Ring(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ring::Ring(Ring&&) noexcept = default;
Ring& Ring::operator=(Ring&&) noexcept = default;
Ring::~Ring() = default;

Result<Ring> Ring::open(Fd map) {
    auto state = std::make_unique<State>();
    state->map = std::move(map);
    state->ring = ring_buffer__new(state->map.get(), State::take, state.get(), nullptr);
    if (state->ring == nullptr)
        return os_error("mapping the ring of candidates");
    return Ring(std::move(state));
}

int Ring::poll_fd() const { return ring_buffer__epoll_fd(state_->ring); }

void Ring::consume(const Handler& handler, unsigned most) {
    state_->handler = &handler;
    state_->left = most;
    ring_buffer__consume(state_->ring);
    state_->handler = nullptr;
}

std::uint64_t Ring::malformed() const { return state_->malformed; }

} // namespace xk::xdp
