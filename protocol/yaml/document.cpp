// SPDX-License-Identifier: MIT
#include "protocol/yaml/document.h"

#include "protocol/base/nearest.h"
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
    if (node->is(Kind::nothing))
        hollow_.emplace_back(key); // finish() reports it
    else
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
        missing_.emplace_back(key); // finish() reports it
}

// A line that should be indented follows the key that it belongs to, or lines that should be indented too.
std::string Section::hollow_before(const Member& unknown) const {
    for (auto i = static_cast<std::size_t>(&unknown - members_.data()); i-- > 0;) {
        if (std::ranges::find(hollow_, members_[i].key->text) != hollow_.end())
            return members_[i].key->text;
        if (members_[i].known)
            break;
    }
    return {};
}

void Section::finish(const KeyHomes& homes) {
    const std::set<std::string> asked(asked_.begin(), asked_.end());
    std::set<std::string> explained; // by what is said of an unknown key
    for (const Member& member : members_) {
        if (member.known)
            continue;
        const std::string& key = member.key->text;
        const std::string hollow = hollow_before(member);
        const auto home = homes.find(key);
        std::string hint;
        if (!hollow.empty())
            hint = "if it belongs under " + in_quotes(hollow) + ", indent it";
        else if (home != homes.end())
            hint = in_quotes(key) + " belongs under " + in_quotes(home->second) + ": indent it";
        else
            hint = did_you_mean(key, asked);
        explained.insert(hollow);
        if (const auto meant = nearest(key, asked))
            explained.insert(*meant);
        faults_->add(place_of(*member.key), "unknown key " + in_quotes(key), hint);
    }
    for (const std::string& key : missing_)
        if (!explained.contains(key))
            faults_->add(place_, in_quotes(key) + " is missing");
    for (const std::string& key : hollow_)
        if (!explained.contains(key))
            faults_->add(place_of_key(key), in_quotes(key) + " has nothing below it",
                         "indent the lines that belong to it, or leave it out");
}

} // namespace xk::yaml
