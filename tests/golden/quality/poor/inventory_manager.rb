# Inventory manager
#
# TODO: write description

class InventoryError < StandardError
end

class InventoryManager
  attr_accessor :items
  attr_accessor :warehouse
  attr_accessor :options

  def initialize(warehouse = nil, options = {})
    @items = []
    @warehouse = warehouse
    @options = options
    # TODO: load items from somewhere
  end

  def add(item)
    @items << item
    # TODO: check duplicates
    # TODO: save
  end

  def remove(item)
    raise NotImplementedError
  end

  def find(id)
    # TODO: index
    nil
  end

  def search(query)
    # TODO
    []
  end

  def count
    @items.size
  end

  def reserve(id, quantity)
    # TODO: locking!!
    true
  end

  def release(id, quantity)
    # TODO
    true
  end

  def reorder
    # TODO: when stock < threshold then reorder
    # TODO: ask what the threshold is
  end

  def import(file)
    raise NotImplementedError
  end

  def export(file)
    raise NotImplementedError
  end

  def report
    # FIXME
    "report"
  end

  def sync
    # TODO
  end

  def valid?
    true
  end
end

class ItemFactory
  def self.create(type)
    case type
    when :book
      # TODO
    when :toy
      # TODO
    else
      nil
    end
  end
end

class Item
  # TODO
end
