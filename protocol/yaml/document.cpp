// SPDX-License-Identifier: MIT
#include "protocol/yaml/document.h"

#include "protocol/base/quote.h"
#include "protocol/yaml/schema.h"

#include <algorithm>
#include <climits>

namespace xk::yaml {
namespace {

std::string_view name_of(Kind kind) {
    switch (kind) {
    case Kind::mapping:
        return "a mapping";
    case Kind::list:
        return "a list";
    case Kind::scalar:
        return "a single value";
    case Kind::nothing:
        break;
    }
    return "nothing";
}

// The number of typing errors between two words: a letter too many, missing or wrong, or two in the wrong order
// (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

} // namespace

std::string Place::text() const {
    if (line == 0)
        return printable(file, PATH_MAX);
    return printable(file, PATH_MAX) + ":" + std::to_string(line) + ":" + std::to_string(column);
}

std::string Fault::text() const { return place.text() + ": " + message + (hint.empty() ? "" : " (" + hint + ")"); }

Error Faults::error() const {
    std::string message;
    for (const Fault& fault : all_)
        message += (message.empty() ? "" : "\n") + fault.text();
    return Error{message, {}, Exit::configuration};
}

std::optional<std::string> nearest(std::string_view word, const std::set<std::string>& candidates) {
    std::optional<std::string> best;
    if (word.size() > 64) // no key is so long
        return best;
    std::size_t least = 1 + word.size() / 3; // with more errors it is another word
    for (const std::string& candidate : candidates) {
        const std::size_t d = distance(word, candidate);
        if (d <= least && (!best || d < least)) {
            least = d;
            best = candidate;
        }
    }
    return best;
}

std::optional<Section> read(std::string_view text, const std::string& file, Faults& faults) {
    auto tree = parse_tree(text, file, faults);
    if (!tree)
        return std::nullopt;
    const Node& root = tree->root();
    if (!root.is(Kind::mapping)) {
        faults.add({file, root.line, root.column},
                   "expected a mapping (\"key: value\") but this is " + std::string(name_of(root.kind)));
        return std::nullopt;
    }
    return Section(std::move(tree), root, file, faults);
}

Section::Section(std::shared_ptr<const Tree> tree, const Node& node, const std::string& file, Faults& faults)
    : tree_(std::move(tree)), file_(file), place_(place_of(node)), faults_(&faults) {
    for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
        const Node& key = *node.items[i];
        if (!key.is(Kind::scalar)) {
            faults_->add(place_of(key), "a key must be a single word");
            continue;
        }
        const auto twin = std::ranges::find_if(members_, [&](const Member& m) { return m.key->text == key.text; });
        if (twin != members_.end()) {
            faults_->add(place_of(key), in_quotes(key.text) + " is there twice",
                         "the first is in line " + std::to_string(twin->key->line));
            continue;
        }
        members_.push_back({&key, node.items[i + 1]});
    }
}

const Section::Member* Section::member(std::string_view key) const {
    const auto found = std::ranges::find_if(members_, [&](const Member& m) { return m.key->text == key; });
    return found == members_.end() ? nullptr : &*found;
}

Place Section::place_of_key(std::string_view key) const {
    const Member* const found = member(key);
    return found == nullptr ? place_ : place_of(*found->key);
}

Place Section::place_of_value(std::string_view key) const {
    const Member* const found = member(key);
    return found == nullptr ? place_ : place_of(*found->value);
}

std::vector<Scalar> Section::keys() const {
    std::vector<Scalar> all;
    for (const Member& member : members_)
        all.push_back({member.key->text, place_of(*member.key)});
    return all;
}

bool Section::has(std::string_view key) const { return member(key) != nullptr; }

bool Section::is_mapping(std::string_view key) const {
    const Member* const found = member(key);
    return found != nullptr && found->value->is(Kind::mapping);
}

Place Section::place_of(const Node& node) const { return {file_, node.line, node.column}; }

const Node* Section::find(std::string_view key) {
    asked_.emplace_back(key);
    for (Member& member : members_)
        if (member.key->text == key) {
            member.known = true;
            return member.value;
        }
    return nullptr;
}

std::optional<Scalar> Section::as_scalar(const Node& node) {
    if (node.is(Kind::scalar))
        return Scalar{node.text, place_of(node)};
    faults_->add(place_of(node), "expected a single value but this is " + std::string(name_of(node.kind)));
    return std::nullopt;
}

std::vector<Scalar> Section::as_scalars(const Node& node) {
    std::vector<Scalar> values;
    if (!node.is(Kind::list)) {
        if (auto value = as_scalar(node))
            values.push_back(*std::move(value));
        return values;
    }
    for (const Node* item : node.items)
        if (auto value = as_scalar(*item))
            values.push_back(*std::move(value));
    return values;
}

std::optional<Scalar> Section::scalar(std::string_view key) {
    const Node* const node = find(key);
    return node == nullptr ? std::nullopt : as_scalar(*node);
}

std::optional<bool> Section::boolean(std::string_view key) { return parsed(key, kTruth.parse); }

std::optional<std::uint64_t> Section::number(std::string_view key, std::uint64_t low, std::uint64_t high) {
    return parsed(key, [&](std::string_view text) { return parse_number(text, low, high); });
}

std::optional<Section> Section::section(std::string_view key) {
    const Node* const node = find(key);
    if (node == nullptr)
        return std::nullopt;
    if (node->is(Kind::mapping))
        return Section(tree_, *node, file_, *faults_);
    faults_->add(place_of(*node), "expected a mapping but this is " + std::string(name_of(node->kind)));
    return std::nullopt;
}

std::optional<std::vector<Scalar>> Section::scalars(std::string_view key, EmptyList empty) {
    const Node* const node = find(key);
    if (node == nullptr)
        return std::nullopt;
    if (empty == EmptyList::fault && node->is(Kind::list) && node->items.empty()) {
        faults_->add(place_of(*node), in_quotes(key) + " is an empty list", "name something, or leave the key out");
        return std::nullopt;
    }
    return as_scalars(*node);
}

std::optional<std::vector<Section::Entry>> Section::entries(std::string_view key) {
    auto inner = section(key);
    if (!inner)
        return std::nullopt;
    std::vector<Entry> all;
    for (const Member& member : inner->members_)
        all.push_back({{member.key->text, place_of(*member.key)}, as_scalars(*member.value)});
    return all;
}

void Section::require(std::string_view key) {
    if (find(key) == nullptr)
        faults_->add(place_, in_quotes(key) + " is missing");
}

void Section::finish() {
    const std::set<std::string> asked(asked_.begin(), asked_.end());
    for (const Member& member : members_) {
        if (member.known)
            continue;
        const auto meant = nearest(member.key->text, asked);
        faults_->add(place_of(*member.key), "unknown key " + in_quotes(member.key->text),
                     meant ? "did you mean \"" + *meant + "\"?" : "");
    }
}

} // namespace xk::yaml
