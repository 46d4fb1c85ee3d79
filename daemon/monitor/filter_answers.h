// SPDX-License-Identifier: MIT
//
// FilterAnswers: AnswerPort over the filter's map and a socket. The worker computes answers and has no network. This
// process has it, and sends only to where the filter saw an authentic hello come from, once for each hello. So a worker
// that was taken over cannot send a packet to anybody of its own choice.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/monitor/ports.h"

namespace xk {

class FilterAnswers : public AnswerPort {
  public:
    explicit FilterAnswers(xdp::Filter& filter) : filter_(&filter) {}
    // Goes on with the same pinned map through another filter.
    void bind_filter(xdp::Filter& filter) { filter_ = &filter; }

    Result<bool> send_answer(const Hello& hello, std::uint16_t port, const wire::Packet& packet, BootTime now) override;

  private:
    xdp::Filter* filter_;
};

// Whether somebody may knock by handshake and this process may have no socket of the internet's families, as the unit
// has it without its drop-in. Then no handshake is answered.
bool cannot_answer(const authz::Policy& policy);
// What is to be done then.
inline constexpr const char* kAnswerSocketHint =
    "the unit needs the drop-in examples/handshake.conf, because answers to handshakes need a network";

// Sends one datagram. `from` need not be an address of this host: the host before it may have another idea of it. The
// socket is bound to the port for a moment only, and connected, so that no other packet finds it: the knock port stays
// a closed one.
Result<void> send_datagram(const Address& from, std::uint16_t from_port, const Address& to, std::uint16_t to_port,
                           ByteView bytes);

} // namespace xk
