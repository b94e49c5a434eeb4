package personality

func (b *builder) check() {}
