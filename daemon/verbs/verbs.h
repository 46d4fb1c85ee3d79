// SPDX-License-Identifier: MIT
//
// Verbs: JSON in, JSON out (docs/control.md). Readers may look, admins may act. Every request is foreign: its length is
// bounded by the socket, its depth and the kinds of its fields are checked here, before any verb sees them.
#pragma once

#include "daemon/verbs/verb.h"

namespace xk::verbs {

class Verbs {
  public:
    // What an operator does, and what they tried and could not do, is told to `events`, which must live longer.
    Verbs(Table table, authz::EventSink& events, Clock clock = Now::read);

    control::Answer answer(const control::Peer& peer, const std::string& request) const;

    const Table& table() const { return table_; }

  private:
    Result<control::Answer> run(const Verb& verb, const Request& request) const;
    void emit_action(const Verb& verb, const Request& request, const Result<control::Answer>& done) const;

    Table table_;
    authz::EventSink& events_;
    Clock clock_;
};

} // namespace xk::verbs
